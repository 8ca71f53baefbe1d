"""The collectors that are measured: Herald embedded, Herald with Redis and a worker, the peer."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from joserfc import jwt
from joserfc.jwk import OctKey

from bench.build import COLLECTOR
from bench.contenders import HERALD, ROOT, STOP_SECONDS, Contender, Server
from bench.stores import Stored, counted, private_redis, temporary_mariadb

BATCH_SECONDS = "1"
"""How long a hit may wait for others, wherever hits wait: Herald's default."""
TOKEN_SECONDS = 3_600
MAX_SOCKETS = 1_000


class CollectServer(Server):
    """A collector whose database can be looked into."""

    ARRIVED: ClassVar[str] = "SELECT COUNT(*) FROM hit"
    """Asked often: quick."""
    STORED: ClassVar[str] = "SELECT COUNT(*), COUNT(DISTINCT message_id) FROM hit"

    def __init__(self, contender: Contender, database: str) -> None:
        super().__init__(contender, silent=True, max_sockets=MAX_SOCKETS)
        self.database = database

    def arrived(self) -> int:
        """Return how many different hits are in the database by now."""
        return counted(self.database, self.ARRIVED)[0]

    def stored(self) -> Stored:
        """Return what is in the database."""
        return Stored(*counted(self.database, self.STORED))

    def summed(self) -> int | None:
        """Return how many hits the sums tell of, or None where there are none that can be right."""
        return counted(self.database, "SELECT SUM(hits) FROM hit_count")[0]


class EmbeddedServer(CollectServer):
    """Herald alone: hits go into its SQLite file before they are answered."""

    def __init__(self, contender: Contender) -> None:
        super().__init__(contender, "")
        self.database = f"sqlite:///{Path(self._home.name) / 'herald.db'}"


class WorkerServer(CollectServer):
    """Herald with Redis: a second process takes hits off the stream into MariaDB."""

    def __init__(self, contender: Contender, database: str) -> None:
        super().__init__(contender, database)
        self._worker: subprocess.Popen[bytes] | None = None

    def _start(self) -> None:
        super()._start()
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "webapp.collect.worker"],
            cwd=ROOT,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self.sink.write_end,
            stderr=self.sink.write_end,
        )

    def stop(self) -> None:
        """End both."""
        if self._worker is not None:
            self._worker.terminate()
            try:
                self._worker.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._worker.kill()
                self._worker.wait()
        super().stop()


class PeerServer(CollectServer):
    """The peer, which has no ids of hits: the number in the referrer tells them apart."""

    ARRIVED = "SELECT COUNT(DISTINCT referrer) FROM events"
    STORED = "SELECT COUNT(*), COUNT(DISTINCT referrer) FROM events"

    def __init__(self, contender: Contender, database: str, token: str) -> None:
        super().__init__(contender, database)
        self.token = token

    def summed(self) -> int | None:
        """Return None: its sums count what is doubled and leave out what is lost."""
        return None


@dataclass(frozen=True, slots=True)
class Entry:
    """Who is measured. What is not Herald takes no batches and has no sockets."""

    name: str
    title: str
    start: Callable[[str], AbstractContextManager[CollectServer]]
    """Given its title."""
    is_herald: bool = True


@contextmanager
def _embedded(title: str) -> Iterator[CollectServer]:
    environ = {**HERALD.environ, "EVENT_ACK": "stored", "COLLECT_BATCH_SECONDS": BATCH_SECONDS}
    with EmbeddedServer(replace(HERALD, title=title, environ=environ)) as server:
        yield server


@contextmanager
def _with_redis(title: str) -> Iterator[CollectServer]:
    # As who wants to lose nothing runs it: what Redis has acknowledged is on disk a second later.
    with (
        private_redis("--appendonly", "yes", "--appendfsync", "everysec") as redis,
        temporary_mariadb() as database,
    ):
        environ = {
            **HERALD.environ,
            "REDIS_URL": redis,
            "DATABASE_URL": database,
            "SECRET_KEY": secrets.token_urlsafe(32),
            "COLLECT_BATCH_SECONDS": BATCH_SECONDS,
        }
        with WorkerServer(replace(HERALD, title=title, environ=environ), database) as server:
            yield server


@contextmanager
def _peer(title: str, *, tuned: bool = False) -> Iterator[CollectServer]:
    secret = secrets.token_urlsafe(32)
    with private_redis() as redis, temporary_mariadb() as database:
        environ = {
            "NODE_ENV": "production",
            "NO_COLOR": "1",
            "REDIS_URL": redis,
            "DATABASE_URL": database.replace("mysql+pymysql://", "mysql://", 1),
            "API_KEY_SECRET_KEY": secret,
            "BATCH_SECONDS": BATCH_SECONDS,
            "BENCH_TUNED": "1" if tuned else "0",
        }
        node = shutil.which("node") or "node"
        contender = Contender("peer", title, (node, "src/main.js"), COLLECTOR, environ, {}, {})
        with PeerServer(contender, database, _analytics_token(secret)) as server:
            yield server


def _analytics_token(secret: str) -> str:
    claims = {
        "userId": str(uuid.uuid4()),
        "appId": str(uuid.uuid4()),
        "jti": str(uuid.uuid4()),
        "exp": int(time.time()) + TOKEN_SECONDS,
    }
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret))


EMBEDDED = Entry("embedded", "Herald, SQLite", _embedded)
WITH_REDIS = Entry("redis", "Herald, Redis, MariaDB", _with_redis)
PEER = Entry("peer", "Express, BullMQ, MariaDB", _peer, is_herald=False)
TUNED = Entry("tuned", "Express, tuned", partial(_peer, tuned=True), is_herald=False)
ENTRIES = (EMBEDDED, WITH_REDIS, PEER, TUNED)
