"""A MongoDB server: the one at ``MONGO_URI``, else a SecantusDB daemon of our own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from logger_lib import JsonValue, uuid7
from tests.services.databases import absent

_START_TIMEOUT_MS = 20_000


class MongoService:
    """Started by ``with``; ``uri`` names a database of its own, which the end drops."""

    def __init__(self) -> None:
        self.uri = ""
        self.database = f"herald_test_{uuid7().replace('-', '')}"
        self._process: subprocess.Popen[bytes] | None = None
        self._home: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        """Start the server, or find it; return when it answers."""
        given = os.environ.get("MONGO_URI")
        self.uri = self._with_database(given) if given else self._start_daemon()
        try:
            client: MongoClient[dict[str, JsonValue]] = MongoClient(
                self.uri, serverSelectionTimeoutMS=_START_TIMEOUT_MS
            )
            with client:
                client.admin.command("ping")
        except PyMongoError as error:
            self._stop_daemon()
            absent(f"no MongoDB answers: {error}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drop the database; stop the daemon if it is ours."""
        if self._process is None:
            client: MongoClient[dict[str, JsonValue]] = MongoClient(self.uri)
            with client:
                client.drop_database(self.database)
        self._stop_daemon()

    def _start_daemon(self) -> str:
        beside = Path(sys.executable).parent / "secantusd-py"
        command = str(beside) if beside.exists() else shutil.which("secantusd-py")
        if command is None:
            absent("no MONGO_URI is set and secantusd-py is not installed (pip install SecantusDB)")
        self._home = tempfile.TemporaryDirectory(prefix="herald-mongo-")
        port = _free_port()
        self._process = subprocess.Popen(
            [command, "--port", str(port), "--storage-path", "data", "--log-level", "ERROR"],
            cwd=self._home.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self._with_database(f"mongodb://127.0.0.1:{port}/?directConnection=true")

    def _stop_daemon(self) -> None:
        if self._process is not None:
            # Its polite way takes two seconds, and its data is thrown away.
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._home is not None:
            self._home.cleanup()
            self._home = None

    def _with_database(self, uri: str) -> str:
        return urlunsplit(urlsplit(uri)._replace(path=f"/{self.database}"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
