"""One record in 500 that its destination cannot hold: the others are stored, it is a dead letter.

``POST /events`` refuses most of these; whoever uses the library alone has no such gate.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from pymongo import MongoClient
from sqlalchemy import create_engine

from logger_lib import (
    JsonObject,
    JsonValue,
    Limits,
    LoggerFactory,
    LogQuery,
    LogRecord,
    SpoolPlace,
    inline,
    uuid7,
)
from logger_lib.destinations.mongodb import MongoLoggerFactory
from logger_lib.destinations.mongodb_documents import Document
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.destinations.sql_table import metadata
from tests.faults.conftest import say
from tests.services.databases import temporary_mariadb, temporary_postgresql
from tests.services.herald import wait_until
from tests.services.mongod import DATABASE, MongoServer

Maker: TypeAlias = Callable[[Path], LoggerFactory]

COUNT, AT = 500, 250
SECONDS = 20.0
LIMITS = Limits(max_batch=COUNT, max_delay=60)
"""All in one batch: the flush sends it off."""


def nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


POISON: dict[str, Callable[[], LogRecord]] = {
    "an integer beyond 64 bits": lambda: good({"n": AT, "x": 2**64}),
    "a lone surrogate": lambda: good({"n": AT, "x": "\ud800"}),
    "NUL in a key": lambda: good({"n": AT, "a\0b": 1}),
    "100 levels": lambda: good({"n": AT, "x": nested(100)}),
    "3,000 levels": lambda: good({"n": AT, "x": nested(3_000)}),
    "17 MiB": lambda: good({"n": AT, "x": "x" * (17 << 20)}),
    "a name of 300 characters": lambda: LogRecord(event="e" * 300, message="m", fields={"n": AT}),
    "an id of 100 characters": lambda: LogRecord(
        id="i" * 100, event="e", message="m", fields={"n": AT}
    ),
    "half a character in its id": lambda: replace(good({"n": AT}), id="\ud800"),
    "a number as its app": lambda: replace(good({"n": AT}), app=42),  # type: ignore[arg-type]  # as programs do
    "a number as its name": lambda: replace(good({"n": AT}), event=5),  # type: ignore[arg-type]
    "a number as a room": lambda: replace(good({"n": AT}), rooms=(5,)),  # type: ignore[arg-type]
    "a number as its time": lambda: replace(good({"n": AT}), time=1.0),  # type: ignore[arg-type]
    "a level of its own": lambda: replace(good({"n": AT}), level=25),  # type: ignore[arg-type]
}
ODD = {
    "half a character in its id",
    "a number as its app",
    "a number as its name",
    "a number as a room",
    "a number as its time",
}
HELD = {
    "mongodb": {"a name of 300 characters", "an id of 100 characters", "a level of its own"},
    "sqlite": {*POISON} - ODD - {"3,000 levels"},
    "mariadb": {
        "an integer beyond 64 bits",
        "a lone surrogate",
        "NUL in a key",
        "100 levels",
        "a level of its own",
    },
    "postgresql": {
        "an integer beyond 64 bits",
        "a lone surrogate",
        "NUL in a key",
        "100 levels",
        "17 MiB",
        "a level of its own",
    },
}
"""What each destination can hold after all: there it is no poison, and is stored."""


def good(fields: JsonObject) -> LogRecord:
    return LogRecord(event="e", message="m", fields=fields)


def place(home: Path) -> SpoolPlace:
    return SpoolPlace(home, 64 << 20, inline)


@contextmanager
def sql(url: str) -> Iterator[Maker]:
    engine = create_engine(url, hide_parameters=True)

    def make(home: Path) -> LoggerFactory:
        metadata.drop_all(engine)
        return SqlLoggerFactory(engine, limits=LIMITS, spool=place(home))

    yield make
    engine.dispose()


@contextmanager
def mongodb(server: MongoServer) -> Iterator[Maker]:
    client: MongoClient[Document] = MongoClient(server.uri, serverMonitoringMode="poll")
    with client:
        # Its threads begin with the first command, and are no test's.
        client.admin.command("ping")
        yield lambda home: MongoLoggerFactory(
            client[DATABASE][uuid7()], limits=LIMITS, spool=place(home)
        )


@pytest.fixture(scope="module", params=["mongodb", "sqlite", "mariadb", "postgresql"])
def destination(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Maker]]:
    """A destination's name, and what makes a factory for it when it holds nothing yet."""
    with ExitStack() as stack:
        name: str = request.param
        directory = tmp_path_factory.mktemp(name)
        if name == "mongodb":
            made = mongodb(stack.enter_context(MongoServer(directory)))
        elif name == "sqlite":
            made = sql(f"sqlite:///{directory}/log.db")
        else:
            temporary = temporary_mariadb if name == "mariadb" else temporary_postgresql
            made = sql(stack.enter_context(temporary()))
        yield name, stack.enter_context(made)


@pytest.mark.parametrize("kind", POISON)
def test_one_in_500(kind: str, destination: tuple[str, Maker], tmp_path: Path) -> None:
    """What can be stored is stored at once; what cannot is a dead letter, with its reason."""
    name, make = destination
    factory = make(tmp_path)
    logger = factory.create_logger("events")
    poison = POISON[kind]()
    for number in range(COUNT):
        logger.log(poison if number == AT else good({"n": number}))
    assert logger.flush(SECONDS), "flush says that something is not kept"
    # To look for the one record may take longer than a publish waits.
    wait_until(lambda: factory.counters.in_spool == 0, "the end of the spool", SECONDS)
    logger.close(SECONDS)
    stored = sorted(
        int(str(found.fields["n"]))
        for found in factory.create_reader().read(LogQuery(limit=2 * COUNT))
    )
    letters = dead_letters(tmp_path, name)
    counters = factory.counters
    factory.close()
    reasons = [str(letter["reason"])[:160] for letter in letters]
    say(f"{kind} to {name}", f"{len(stored)} stored, dead letters: {reasons or 'none'}")
    if kind in HELD[name]:
        assert stored == [*range(COUNT)]
        assert letters == []
        return
    assert stored == [number for number in range(COUNT) if number != AT]
    (letter,) = letters
    assert letter["reason"]
    assert (counters.written, counters.dead, counters.dropped) == (COUNT - 1, 1, 0)


def dead_letters(home: Path, destination: str) -> list[JsonObject]:
    """Return what is in the file of dead letters: a checksum, a blank and JSON, line by line."""
    known = "mongodb" if destination == "mongodb" else "sql"
    path = home / "dead-letters" / f"{known}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line.partition(" ")[2]) for line in lines]
