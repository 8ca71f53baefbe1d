"""A collect worker: the process that stores hits from Redis."""

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from logger_lib.pipeline.limits import DEFAULT_LIMITS
from tests.services import forks
from tests.services.herald import environment_without_settings, wait_until
from webapp.collect.stream.consumer import IDLE_SECONDS

START_SECONDS = 30.0
STOP_SECONDS = 10.0
"""What the worker promises."""


class CollectWorker:
    """One worker, as it is shipped, or one that is in more of a hurry.

    ``idle`` is when it takes others for dead, ``pause`` how long it waits at the most between two
    tries. With one of them, what holds the text ``deadly`` ends it. ``from_nothing`` is for the
    second of two that write at once, which are no twins elsewhere either: their sets have other
    orders.
    """

    def __init__(
        self,
        home: Path,
        redis_url: str,
        database_url: str,
        *,
        batch_size: int = 500,
        batch_seconds: float = 1.0,
        idle: float | None = None,
        pause: float | None = None,
        deadly: str = "",
        from_nothing: bool = False,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.log_file = home / f"worker-{time.monotonic_ns()}.log"
        is_shipped = idle is None and pause is None
        self._module = "webapp.collect.worker" if is_shipped else "tests.services.hasty_worker"
        self._environ = {
            **environment_without_settings(),
            "HERALD_HOME": str(home),
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "SECRET_KEY": "k" * 64,
            "COLLECT_BATCH_SIZE": str(batch_size),
            "COLLECT_BATCH_SECONDS": str(batch_seconds),
            "IDLE_SECONDS": str(idle or IDLE_SECONDS),
            "PAUSE_SECONDS": str(pause or DEFAULT_LIMITS.longest_pause),
            "DEADLY_TEXT": deadly,
        }
        self._from_nothing = from_nothing
        self._process: forks.Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.thaw()
            self.stop()

    def start(self) -> None:
        """Start it, for the first time or again, and wait until it says so."""
        with self.log_file.open("ab") as log:
            greetings = self.log_text().count(" writes what is in ")
            stream = log.fileno()
            self._process = forks.start(
                self._module, [], self._environ, stream, stream, from_nothing=self._from_nothing
            )
        wait_until(
            lambda: (
                self.log_text().count(" writes what is in ") > greetings
                or self.process.poll() is not None
            ),
            "the worker's greeting",
            START_SECONDS,
        )
        assert self.process.poll() is None, self.log_text()

    @property
    def process(self) -> forks.Process:
        """The running worker."""
        assert self._process is not None, "not started"
        return self._process

    def stop(self) -> int:
        """Ask it to end (SIGTERM), which it does in time, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def freeze(self) -> None:
        """Have it stand still."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def log_text(self) -> str:
        """Return all that it has printed."""
        return self.log_file.read_text(errors="backslashreplace")
