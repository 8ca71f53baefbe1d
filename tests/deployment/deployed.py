"""Herald started as a host starts it: by a command, in a folder, with an environment of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tests.services.herald import START_SECONDS, STOP_SECONDS, free_port, wait_until

COMMANDS = Path(sys.executable).parent
"""Where the commands of the installed requirements are, as ``/opt/venv/bin`` in the image."""


def bare_environment(**more: str) -> dict[str, str]:
    """Return an environment with nothing of the one that the tests run in, and ``more``."""
    return {"PATH": f"{COMMANDS}{os.pathsep}{os.defpath}", **more}


class Deployed:
    """A started command; ``with`` waits until it serves, and ends it as a host does."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = bare_environment(PORT=str(self.port), **environ)
        self._command = command
        self._folder = folder
        self._log = folder.with_name(f"{folder.name}.log")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it says that it listens."""
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        running = self.process
        wait_until(
            lambda: "Herald listens" in self.output() or running.poll() is not None,
            "the first word of Herald",
            START_SECONDS,
        )
        assert running.poll() is None, self.output()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send SIGTERM and wait for the end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS)

    def output(self) -> str:
        """Return what it has printed."""
        return self._log.read_text(errors="backslashreplace")

    def get(self, path: str) -> requests.Response:
        """GET ``path``."""
        return requests.get(self.url + path, timeout=10)
