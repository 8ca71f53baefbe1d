"""A real Herald: Gunicorn with our worker, on a free port, with a home of its own."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from logger_lib import JsonValue, inline
from tests.services import forks
from tests.services.migrated import migrated_file
from webapp.access.keys import ApiKeys
from webapp.access.scopes import Scope
from webapp.access.secret import load_secret
from webapp.access.tokens import KeySigner
from webapp.settings import Settings, documented
from webapp.storage.database import Database
from webapp.users.live_sessions import LiveSessions
from webapp.users.login_links import LoginLinks
from webapp.users.user_tokens import UserTokens
from webapp.users.users import Identity, Users

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 20.0
REQUEST_SECONDS = 10.0
POLL_SECONDS = 0.02
GREETING = "The log goes to:"
"""What a server prints once it answers."""


UNLIMITED = dict.fromkeys(["RATE_LIMIT_AUTH", "RATE_LIMIT_CONNECT", "RATE_LIMIT_REFUSED"], "off")
"""All tests call from one address; those of the limits themselves unset these."""


running: "set[HeraldServer]" = set()
"""The servers that were started and not stopped, for the leak detector."""


def environment_without_settings() -> dict[str, str]:
    """Return the environment without what would configure Herald otherwise than a test says."""
    names = {row.name for row in documented()}
    return {name: value for name, value in os.environ.items() if name not in names}


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class HeraldServer:
    """One running server; ``environ`` adds to the embedded defaults."""

    def __init__(
        self, home: Path, environ: Mapping[str, str] | None = None, port: int | None = None
    ) -> None:
        self.home = home
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = home / "server.log"
        self._environ = {
            **environment_without_settings(),
            "PORT": str(self.port),
            "HERALD_HOME": str(home),
            **UNLIMITED,
            **(environ or {}),
        }
        self._process: forks.Process | None = None
        self._settings = Settings.from_environment(self._environ)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """End it as ``stop`` does, without the third of a second that Gunicorn's master takes.

        It sleeps between two looks at its worker; when that one has ended there is nothing more.
        """
        try:
            worker = os.pidfd_open(self.worker_pid)
        except (OSError, AssertionError):
            self.stop()
            return
        try:
            self.process.send_signal(signal.SIGTERM)
            ended, _, _ = select.select([worker], [], [], STOP_SECONDS)
            assert ended, f"the worker has not ended within {STOP_SECONDS} s"
        finally:
            os.close(worker)
            self.process.kill()
            self.process.wait()
            running.discard(self)

    def start(self, *arguments: str, output: int | None = None) -> None:
        """Start the server and wait until it answers.

        Whoever gives an ``output`` brings what comes there to ``log_file``.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self._make_tables()
        running.add(self)
        with self.log_file.open("ab") as log:
            # It may have been started before.
            greetings = self.log_text().count(GREETING)
            stream = log.fileno() if output is None else output
            self._process = forks.start("gunicorn", arguments, self._environ, stream, stream)
        self._wait_for(
            lambda: self.log_text().count(GREETING) > greetings, "its greeting", START_SECONDS
        )

    def _make_tables(self) -> None:
        """Make the tables of the embedded database, which costs a start more than a copy does.

        That a start makes them is what the tests of the migrations and of deployments show.
        """
        file = self.home / "herald.db"
        if not file.exists() and "DATABASE_URL" not in self._environ:
            migrated_file(file)

    @property
    def process(self) -> forks.Process:
        """The running Gunicorn master."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def worker_pid(self) -> int:
        """The process id of the one worker."""
        pids = self.worker_pids()
        assert len(pids) == 1, pids
        return pids[0]

    def worker_pids(self) -> list[int]:
        """Return the process ids of the master's children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self) -> int:
        """Ask the server to end (SIGTERM) and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            running.discard(self)
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def kill(self) -> None:
        """End it with SIGKILL, master and workers at once; it may be started again."""
        pids = self.worker_pids()
        self.process.kill()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)
        running.discard(self)

    def command(self, *arguments: str) -> str:
        """Run ``flask --app webapp …`` with this server's settings and return its stdout."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``flask --app webapp …`` with this server's settings, whatever comes of it."""
        return forks.run_command(arguments, self._environ)

    def log_text(self) -> str:
        """Return all that the server has printed, stdout and stderr."""
        return self.log_file.read_text(errors="backslashreplace")

    def wait_for_log(self, text: str, seconds: float = 10.0) -> str:
        """Wait until the server has printed ``text``; return all that it has printed."""
        self._wait_for(lambda: text in self.log_text(), repr(text), seconds)
        return self.log_text()

    def _wait_for(self, printed: Callable[[], bool], what: str, seconds: float) -> None:
        wait_until(
            lambda: printed() or self.process.poll() is not None,
            f"{what} in the server's output",
            seconds,
        )
        assert printed(), self.log_text()

    @property
    def first_key(self) -> str:
        """The key that the first start has printed."""
        found = re.search(r"Bearer (herald_[^\"]+)", self.log_text())
        assert found, self.log_text()
        return found[1]

    def issue_key(self, *scopes: Scope, app: str = "default") -> str:
        """Return a fresh key of ``scopes``, as ``make key`` would."""
        database = Database(self._settings.database_url, inline)
        try:
            keys = ApiKeys(database, KeySigner(load_secret(self._settings)))
            return keys.issue(app, frozenset(scopes)).token
        finally:
            database.close()

    def sign_in(self, name: str, *, age: float = 0.0) -> str:
        """Return a user token of somebody who signed in by an issuer ``age`` seconds ago."""
        database = Database(self._settings.database_url, inline)
        try:
            user = Users(database).sign_in(Identity("https://issuer.example", name))
            live = LiveSessions(database, lambda: time.time() - age).begin(user)
            return UserTokens(load_secret(self._settings)).issue(live).token
        finally:
            database.close()

    def login_link(self, *, age: float = 0.0) -> str:
        """Return a link that signs the operator in, as if it had been made ``age`` seconds ago."""
        database = Database(self._settings.database_url, inline)
        try:
            return LoginLinks(database, self.url, lambda: time.time() - age).make()
        finally:
            database.close()

    def revoke_key(self, token: str) -> None:
        """Revoke the key of ``token``."""
        signer = KeySigner(load_secret(self._settings))
        database = Database(self._settings.database_url, inline)
        try:
            ApiKeys(database, signer).revoke(signer.verify(token).key_id)
        finally:
            database.close()

    def post(
        self,
        path: str,
        body: JsonValue,
        key: str | None = None,
        **headers: str,
    ) -> requests.Response:
        """POST ``body`` as JSON with the first key, or another one."""
        return self.post_raw(path, json.dumps(body).encode(), key, **headers)

    def post_raw(
        self,
        path: str,
        body: bytes | Iterable[bytes],
        key: str | None = None,
        **headers: str,
    ) -> requests.Response:
        """POST ``body`` as it is, declared as JSON; pieces are sent chunked, without a length."""
        given = {
            "Authorization": f"Bearer {key or self.first_key}",
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return requests.post(self.url + path, data=body, headers=given, timeout=REQUEST_SECONDS)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until ``condition`` holds; fail saying ``what`` did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(POLL_SECONDS)
