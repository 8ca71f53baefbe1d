"""Who is measured, and how each is started: on loopback, as in production, one at a time."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.build import BENCH, NESTJS
from bench.sink import Sink

ROOT = BENCH.parent
SPARE_SOCKETS = 100
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
_ESTABLISHED, _CLOSE_WAIT = "01", "08"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server: its short name, what it is called in the table, how it is started."""

    name: str
    title: str
    command: tuple[str, ...]
    directory: Path
    environ: Mapping[str, str]
    silent: Mapping[str, str]
    logging: Mapping[str, str]


_GUNICORN = (sys.executable, "-m", "gunicorn")
_PEER = {"PYTHONPATH": str(ROOT), "NODE_ENV": "production", "NO_COLOR": "1"}
_SILENT, _LOGGING = {"BENCH_SILENT": "1"}, {"BENCH_SILENT": "0"}

HERALD = Contender(
    "herald",
    "Herald",
    _GUNICORN,
    ROOT,
    # One address opens all sockets of a run; the peers limit nothing.
    {"EVENT_ACK": "queued", "RATE_LIMIT_CONNECT": "off"},
    {"EVENT_LOGGERS": "memory"},
    {"EVENT_LOGGERS": "logging"},
)
STOCK = Contender(
    "stock",
    "Flask-SocketIO",
    (*_GUNICORN, "--config", str(BENCH / "peers" / "stock" / "gunicorn_conf.py")),
    ROOT,
    _PEER,
    _SILENT,
    _LOGGING,
)
SETTLED = replace(
    STOCK,
    name="settled",
    title="Flask-SocketIO with its garbage collector settled",
    environ={**_PEER, "BENCH_SETTLED": "1"},
)
NEST = Contender(
    "nestjs",
    "NestJS",
    (shutil.which("node") or "node", "dist/main.js"),
    NESTJS,
    _PEER,
    _SILENT,
    _LOGGING,
)
CEILING = Contender(
    "ceiling",
    "bare sends",
    (sys.executable, str(BENCH / "peers" / "ceiling" / "server.py")),
    ROOT,
    {},
    {},
    {},
)
CONTENDERS = (HERALD, STOCK, NEST)


class CannotStart(Exception):
    """A contender did not come up; says what it printed."""


class Server:
    """One run of a contender on a port of its own, ended with everything that it started."""

    def __init__(self, contender: Contender, *, silent: bool, max_sockets: int) -> None:
        self.contender = contender
        self.sink = Sink()
        self.port = free_port()
        self.token = "-"  # noqa: S105 - the peers ask for none
        self._home = tempfile.TemporaryDirectory(prefix="herald-bench-")
        self._environ = {
            **_kept(),
            **contender.environ,
            **(contender.silent if silent else contender.logging),
            "PORT": str(self.port),
            "HERALD_HOME": self._home.name,
            "MAX_SOCKETS": str(max_sockets + SPARE_SOCKETS),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self) -> None:
        command = [*self.contender.command]
        if self.contender.name == HERALD.name:
            self.token = self._issue_key()
            command += ["--bind", f"127.0.0.1:{self.port}"]
        self._process = subprocess.Popen(  # noqa: S603 - the commands above
            command,
            cwd=self.contender.directory,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self.sink.write_end,
            stderr=self.sink.write_end,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise CannotStart(f"{self.contender.title} did not start:\n{self.sink.tail()}")
            time.sleep(0.05)

    def _issue_key(self) -> str:
        if "DATABASE_URL" in self._environ:
            return _issue_key(self._environ)
        home, token = _home_with_key()
        shutil.copytree(home.name, self._home.name, dirs_exist_ok=True)
        return token

    def answers(self) -> bool:
        """Say whether ``GET /health/live`` is answered well."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End the server and whatever it has started, and remove its files."""
        self.sink.handed_over()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # It has a session of its own, and so a group.
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._home.cleanup()

    def serving_pid(self) -> int:
        """Return the process that serves: Gunicorn's worker, or Node."""
        assert self._process is not None, "not started"  # noqa: S101 - for the types
        pid = self._process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(workers[0]) if workers else pid

    def resident_bytes(self) -> int:
        """Return the memory of the process that serves."""
        status = Path(f"/proc/{self.serving_pid()}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else 0

    def open_ports(self) -> set[int]:
        """Return the clients' ports whose connections the server has not ended yet."""
        ports = set()
        for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, *_ = row.split()
            if int(local[9:], 16) == self.port and state in {_ESTABLISHED, _CLOSE_WAIT}:
                ports.add(int(remote[9:], 16))
        return ports


@cache
def _home_with_key() -> tuple[tempfile.TemporaryDirectory[str], str]:
    """Return a home to copy, and its key: to make tables anew takes longer than a quick bout."""
    home = tempfile.TemporaryDirectory(prefix="herald-bench-home-")
    return home, _issue_key({**_kept(), "HERALD_HOME": home.name})


def _issue_key(environ: Mapping[str, str]) -> str:
    arguments = ("--app", "webapp", "keys", "issue", "--scopes", "publish,subscribe,collect")
    done = subprocess.run(  # noqa: S603 - as above
        [sys.executable, "-m", "flask", *arguments],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    found = re.search(r"herald_[\w.-]+", done.stdout)
    if found is None:
        raise CannotStart(f"Herald issued no key:\n{done.stdout}{done.stderr}")
    return found[0]


def _kept() -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
