"""What the collectors keep hits in: a Redis and a database of the bench's own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bench.contenders import CannotStart, free_port

MARIADB = os.environ.get("HERALD_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql")
START_SECONDS, STOP_SECONDS = 10.0, 10.0


class ServiceMissing(CannotStart):
    """Redis or MariaDB is not there."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is in a database: how many hits, how many of them are not another's double."""

    hits: int
    distinct: int


@contextmanager
def private_redis(*options: str) -> Iterator[str]:
    """Yield the URL of a Redis with these options, which is ended with its files."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise ServiceMissing("redis-server is needed, and not installed")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="herald-bench-redis-") as directory:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options]
        server = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)  # noqa: S603
        try:
            url = f"redis://127.0.0.1:{port}/0"
            _await_redis(url)
            yield url
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)


def _await_redis(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Redis.from_url(url) as client:
        while not _answers(client):
            if time.monotonic() > deadline:
                raise ServiceMissing(f"redis-server does not answer at {url}")
            time.sleep(0.02)


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


@contextmanager
def temporary_mariadb() -> Iterator[str]:
    """Yield the URL of an empty database, which is dropped afterwards."""
    name = f"herald_bench_{uuid.uuid4().hex[:12]}"
    try:
        _execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    except SQLAlchemyError as error:
        why = str(error).splitlines()[0]
        raise ServiceMissing(
            f"no MariaDB at {make_url(MARIADB)}, say by HERALD_TEST_MARIADB where one is: {why}"
        ) from error
    try:
        yield make_url(MARIADB).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(f"DROP DATABASE {name}")


def _execute(statement: str) -> None:
    server = create_engine(MARIADB, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(statement))


def counted(url: str, query: str) -> Sequence[int]:
    """Return the numbers that ``query`` finds in the one row of its answer."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return [int(number or 0) for number in connection.execute(text(query)).one()]
