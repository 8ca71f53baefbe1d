"""SecantusDB's daemon, which speaks MongoDB's protocol, to be stopped, killed, frozen and failed.

``--sync-on-commit`` has it keep what it confirmed when it is killed; its fail points are MongoDB's.
"""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from logger_lib import JsonObject, JsonValue
from tests.services.databases import absent
from tests.services.herald import wait_until
from tests.services.ports import lasting_port

DATABASE = "herald_faults"
START_SECONDS = 20.0
STOP_SECONDS = 10.0
PATIENCE_MS = 2_000
# Every 10 s, as PyMongo looks by default, takes longer than most of the faults here.
_OPTIONS = "directConnection=true&heartbeatFrequencyMS=500"
_ARGUMENTS = (
    "--storage-path=data",
    "--log-level=ERROR",
    "--sync-on-commit",
    "--enable-test-commands",
)

Client: TypeAlias = "MongoClient[JsonObject]"


class MongoServer:
    """One daemon with a directory of its own, on one port however often it is started."""

    def __init__(self, home: Path, port: int | None = None) -> None:
        self._home = home
        self.port = port or lasting_port()
        self.uri = self.uri_by(self.port)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it; ``with`` also ends one that was started later."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def uri_by(self, port: int) -> str:
        """Return the address of the database by another port, that of a proxy for example."""
        return f"mongodb://127.0.0.1:{port}/{DATABASE}?{_OPTIONS}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        beside = Path(sys.executable).parent / "secantusd-py"
        command = str(beside) if beside.exists() else shutil.which("secantusd-py")
        if command is None:
            absent("secantusd-py is not installed (pip install SecantusDB)")
        self._home.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [command, "--port", str(self.port), *_ARGUMENTS],
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "an answer of the MongoDB server", START_SECONDS)

    def kill(self) -> None:
        """End it with SIGKILL, frozen or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Have it take connections and answer none."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._running.send_signal(signal.SIGCONT)

    def fail(self, times: int | None, commands: Sequence[str], **fault: JsonValue) -> None:
        """Have the next ``times`` of ``commands`` fail as ``failCommand`` knows; None: all."""
        mode: JsonObject | str = "alwaysOn" if times is None else {"times": times}
        data: JsonObject = {"failCommands": list(commands), **fault}
        with self.client() as client:
            client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)

    def heal(self) -> None:
        """Have no command fail any more."""
        with self.client() as client:
            client.admin.command("configureFailPoint", "failCommand", mode="off")

    def step_down(self, seconds: int) -> None:
        """Have it be no primary for so long; at least 11."""
        with self.client() as client:
            client.admin.command("replSetStepDown", seconds, force=True)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Connect past every proxy."""
        # Streaming monitors end late where the server is frozen or gone.
        client: Client = MongoClient(
            self.uri, serverSelectionTimeoutMS=PATIENCE_MS, serverMonitoringMode="poll"
        )
        with client:
            yield client

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "not started"
        return self._process

    def _answers(self) -> bool:
        assert self._running.poll() is None, "the MongoDB server has ended"
        try:
            # A client that has been refused looks again half a second later.
            socket.create_connection(("127.0.0.1", self.port)).close()
            with self.client() as client:
                client.admin.command("ping")
        except (OSError, PyMongoError):
            return False
        return True
