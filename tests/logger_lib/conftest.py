"""Every destination as the tests see it: a real one, what arrived there, and one out of order."""

import io
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pymongo import MongoClient
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from logger_lib import JsonObject, JsonValue, LoggerFactory, LogQuery, LogReader, LogRecord
from logger_lib.destinations.console import ConsoleLoggerFactory
from logger_lib.destinations.logging import LoggingLoggerFactory
from logger_lib.destinations.memory import MemoryLoggerFactory
from logger_lib.destinations.mongodb import MongoLoggerFactory
from logger_lib.destinations.mongodb_documents import Document
from logger_lib.destinations.sql import SqlLoggerFactory
from tests.services.databases import temporary_mariadb, temporary_postgresql
from tests.services.mongodb import MongoService
from tests.services.sentry_receiver import SentryReceiver

with warnings.catch_warnings():
    # sentry_sdk imports eventlet, where it is installed, to see whether it has patched the process.
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    from logger_lib.destinations.sentry import SentryLoggerFactory


@dataclass(frozen=True, slots=True)
class Place:
    """One destination: its factory, and the event names that arrived, in order."""

    factory: LoggerFactory
    arrived: Callable[[], list[str]]


class StreamThatFails(io.StringIO):
    """A stream whose disk is full."""

    def write(self, _text: str, /) -> int:
        """Refuse."""
        raise OSError(28, "No space left on device")


def record(
    event: str = "order.created", message: str = "orderId: 1", **fields: JsonValue
) -> LogRecord:
    return LogRecord(event=event, message=message, fields=fields)


@pytest.fixture(scope="session")
def mongo() -> Iterator[MongoService]:
    with MongoService() as service:
        yield service


@pytest.fixture
def sentry() -> Iterator[SentryReceiver]:
    with SentryReceiver() as receiver:
        yield receiver


@contextmanager
def logging_place(_: pytest.FixtureRequest) -> Iterator[Place]:
    stream = io.StringIO()
    factory = LoggingLoggerFactory("HeraldTest", stream=stream)
    yield Place(factory, lambda: re.findall(r"M  \[([^]]*)\]", stream.getvalue()))


@contextmanager
def console_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    path: Path = request.getfixturevalue("tmp_path") / "stdout"
    with path.open("wb") as file:
        yield Place(ConsoleLoggerFactory(file.fileno()), lambda: _console_events(path))


@contextmanager
def mongodb_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    service: MongoService = request.getfixturevalue("mongo")
    client: MongoClient[Document] = MongoClient(service.uri)
    with client:
        client.drop_database(service.database)
        yield readable(MongoLoggerFactory(client[service.database]["event_log"]))


@contextmanager
def sentry_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    receiver: SentryReceiver = request.getfixturevalue("sentry")
    factory = SentryLoggerFactory(receiver.dsn)
    yield Place(factory, lambda: [_attribute(log, "herald.event") for log in receiver.logs])
    factory.close()


@contextmanager
def memory_place(_: pytest.FixtureRequest) -> Iterator[Place]:
    yield readable(MemoryLoggerFactory())


@contextmanager
def sqlite_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    home: Path = request.getfixturevalue("tmp_path")
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(home / "home")})
    yield readable(factory)
    factory.close()


@contextmanager
def mariadb_place(_: pytest.FixtureRequest) -> Iterator[Place]:
    with temporary_mariadb() as url, sql_place(url) as place:
        yield place


@contextmanager
def postgresql_place(_: pytest.FixtureRequest) -> Iterator[Place]:
    with temporary_postgresql() as url, sql_place(url) as place:
        yield place


@contextmanager
def sql_place(url: str) -> Iterator[Place]:
    factory = SqlLoggerFactory.from_settings({"DATABASE_URL": url})
    yield readable(factory)
    factory.close()


READABLE = {
    "memory": memory_place,
    "sqlite": sqlite_place,
    "mariadb": mariadb_place,
    "postgresql": postgresql_place,
    "mongodb": mongodb_place,
}
PLACES = {
    **READABLE,
    "logging": logging_place,
    "console": console_place,
    "sentry": sentry_place,
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with PLACES[request.param](request) as made:
        yield made


@pytest.fixture(params=READABLE)
def readable_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with READABLE[request.param](request) as made:
        yield made


@pytest.fixture(params=["logging", "console", "mongodb", "sentry", "sql"])
def broken_factory(
    request: pytest.FixtureRequest, sentry: SentryReceiver
) -> Iterator[LoggerFactory]:
    """A factory whose destination refuses everything."""
    with ExitStack() as stack:
        match request.param:
            case "logging":
                yield LoggingLoggerFactory("HeraldTest", stream=StreamThatFails())
            case "console":
                yield ConsoleLoggerFactory(stack.enter_context(full_disk()))
            case "mongodb":
                client: MongoClient[Document] = MongoClient(
                    "mongodb://127.0.0.1:1", serverSelectionTimeoutMS=50, connectTimeoutMS=50
                )
                stack.enter_context(client)
                yield MongoLoggerFactory(lambda: client["x"]["event_log"])
            case "sentry":
                sentry.status = 500
                factory = SentryLoggerFactory(sentry.dsn)
                stack.callback(factory.close)
                yield factory
            case _:
                yield SqlLoggerFactory(engine_without_database())


def readable(factory: LoggerFactory) -> Place:
    reader = factory.create_reader()
    return Place(factory, lambda: [found.event for found in read_all(reader)])


def read_all(reader: LogReader) -> list[LogRecord]:
    """Return what was stored, oldest first."""
    return reader.read(LogQuery(limit=100_000))[::-1]


def engine_without_database() -> Engine:
    return create_engine("sqlite:////no/such/directory/herald.db", poolclass=NullPool)


@contextmanager
def full_disk() -> Iterator[int]:
    fd = os.open("/dev/full", os.O_WRONLY)
    yield fd
    os.close(fd)


def _console_events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text("ascii").splitlines()]


def _attribute(log: JsonObject, name: str) -> str:
    attributes = log["attributes"]
    assert isinstance(attributes, dict)
    return str(attributes[name])
