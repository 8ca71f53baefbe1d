"""Processes that need not load what others of their kind have loaded before them.

To load Herald takes ten times as long as most commands take then, and of a server's start nine
tenths are what Gunicorn's master and its worker load. A process that has loaded that once a session
forks for each. That all of it runs from nothing too is what the tests of deployments and of the
Makefile show.
"""

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30.0
"""How long a command may take."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What processes load: modules, and others when they have been patched."""

    modules: tuple[str, ...]
    patched: tuple[str, ...] = ()


_UNPATCHED = Loaded(
    (
        "flask.cli",
        "webapp.app",
        "webapp.collect.stream.consumer",
        "webapp.collect.store.hit_store",
        "webapp.collect.stream.stream_group",
    )
)
"""Of commands and of collect workers, by one process for both."""

_OF_MASTERS = ("gunicorn.app.wsgiapp", "webapp.capacity", "webapp.stderr", "webapp.worker")
_OF_THEIR_WORKERS = ("webapp.app", "engineio.async_drivers.eventlet")

LOADED = {
    "flask": _UNPATCHED,
    "gunicorn": Loaded(_OF_MASTERS, patched=_OF_THEIR_WORKERS),
    "webapp.collect.worker": _UNPATCHED,
    "tests.services.hasty_worker": _UNPATCHED,
}
"""What ``python -m`` these loads, of Herald and what it needs."""

_READ_AT_THE_START = ("COVERAGE", "EVENTLET_", "LANG", "LC_", "LD_", "MALLOC_", "PYTHON")
"""What variables begin with that are too late for a process that runs."""

_PATH = "PYTHONPATH"
"""A fork takes over what it names, which must not stand in for what has been loaded."""

_NO_WARNINGS = {"PYTHONWARNINGS": "ignore"}


class Process(Protocol):
    """What a test asks of a process: a part of ``subprocess.Popen``."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Return its exit code, if it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises ``subprocess.TimeoutExpired``."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""


def start(
    module: str,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    stdout: int,
    stderr: int,
    *,
    from_nothing: bool = False,
) -> Process:
    """Start ``python -m module`` in the repository, one of ``LOADED``, with no input.

    ``from_nothing`` is for who is to have nothing in common with a fork, such as the hash seed.
    """
    # Each process that is traced is to begin as it would otherwise.
    if not from_nothing and "COVERAGE_RUN" not in os.environ:
        forks = _forks(LOADED[module])
        if forks.begins_alike(environ):
            return forks.start(module, arguments, environ, stdout, stderr)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )


def run_command(
    arguments: Sequence[str], environ: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run ``flask --app webapp`` with ``arguments`` in an environment, whatever comes of it."""
    return run("flask", ["--app", "webapp", *arguments], environ)


def run(
    module: str, arguments: Sequence[str], environ: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m module``, one of ``LOADED``, to its end, whatever comes of it."""
    (out, their_out), (err, their_err) = os.pipe(), os.pipe()
    process = start(module, arguments, environ, their_out, their_err)
    os.close(their_out)
    os.close(their_err)
    with ThreadPoolExecutor(2) as readers:
        reading = [readers.submit(_read, stream) for stream in (out, err)]
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        stdout, stderr = (each.result() for each in reading)
    return subprocess.CompletedProcess([*arguments], code, stdout, stderr)


def end_forks() -> None:
    """End what forks; to be called at the end of the session."""
    for forks in _running:
        forks.end()
    _running.clear()
    _forks.cache_clear()


class _Forks:
    """A process that has loaded some modules, and forks."""

    def __init__(self, loaded: Loaded) -> None:
        self._lock = Lock()
        self._environ = dict(os.environ)
        self._calls, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        names = [" ".join(loaded.modules), " ".join(loaded.patched)]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.services.forking", str(theirs.fileno()), *names],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        stdout: int,
        stderr: int,
    ) -> "_Fork":
        """Fork."""
        call = {
            "module": module,
            "arguments": list(arguments),
            "environ": dict(environ),
            # As what is begun from nothing would have it of the tests' process.
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        }
        with self._lock:
            socket.send_fds(self._calls, [json.dumps(call).encode()], [stdout, stderr])
            return _Fork(self, int(self._calls.recv(32)))

    def begins_alike(self, environ: Mapping[str, str]) -> bool:
        """Say whether a process with ``environ`` begins as this one did, as far as that goes."""
        differing = (environ.items() ^ self._environ.items()) - _NO_WARNINGS.items()
        return not any(
            name.startswith(_READ_AT_THE_START) and name != _PATH for name, _ in differing
        )

    def exit_code(self, pid: int) -> int:
        """Return how a fork has ended; it is gone then."""
        with self._lock:
            self._calls.send(json.dumps({"ended": pid}).encode())
            return int(self._calls.recv(32))

    def end(self) -> None:
        """End it; no fork ends by that."""
        self._calls.close()
        self._process.wait(SECONDS)


class _Fork:
    """A process that was forked."""

    def __init__(self, forks: _Forks, pid: int) -> None:
        self.pid = pid
        self._forks = forks
        self._descriptor = os.pidfd_open(pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, if it has ended."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float | None) -> int | None:
        if self._code is None:
            ended = select.poll()
            ended.register(self._descriptor, select.POLLIN)
            if ended.poll(None if seconds is None else 1000 * seconds):
                self._code = self._forks.exit_code(self.pid)
                os.close(self._descriptor)
        return self._code


_running: list[_Forks] = []


@cache
def _forks(loaded: Loaded) -> _Forks:
    _running.append(_Forks(loaded))
    return _running[-1]


def _read(stream: int) -> str:
    with os.fdopen(stream, encoding="utf-8") as file:
        return file.read()
