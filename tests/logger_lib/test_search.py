"""What is searched for is found, in every destination that is readable, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import MongoClient
from sqlalchemy import event as listening
from sqlalchemy import text

from logger_lib import (
    DestinationUnreachable,
    JsonObject,
    LogQuery,
    LogRecord,
    ReadTooLong,
    delivery_record,
    event_record,
    term_reader,
    uuid7,
)
from logger_lib.destinations import sql_reader
from logger_lib.destinations.mongodb import MongoLoggerFactory
from logger_lib.destinations.mongodb_documents import Document
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.ids import earliest_id, uuid7_at
from logger_lib.words import MAX_WORD, MAX_WORDS, words_in, words_of
from tests.logger_lib.conftest import Place, engine_without_database, read_all, record
from tests.services.mongodb import MongoService

NOON = datetime(2026, 5, 25, 12, tzinfo=UTC)
ORDER_ID = "CFA3F520-e8f1-4c0e-9d7a-6f3f6e0c1d2b"
ITS_WORDS = [
    "order.paid",
    "ORDER",
    "paid",
    ORDER_ID,
    ORDER_ID.lower(),
    "jane@example.com",
    "(thanks!)",
    "zürich",
    "4711",
    "deep",
    "jane@example.com zürich order",
]
NOT_ITS_WORDS = [
    "cfa3f520",
    "example",
    "100",
    "true",
    "orderid",
    "jane@example.com berlin",
]


def published(
    name: str = "order.paid",
    data: JsonObject | None = None,
    *,
    app: str | None = "shop",
    rooms: tuple[str, ...] = (),
    at: datetime | None = None,
) -> list[LogRecord]:
    """Return the records of an event and of its delivery to two sockets."""
    event_id = uuid7() if at is None else uuid7_at(at)
    at = at or datetime.now(UTC)
    event = event_record(name, data or {}, event_id=event_id, time=at, app=app, rooms=rooms)
    sent = delivery_record(name, ("s1", "s2"), event_id=event_id, time=at, app=app, rooms=rooms)
    return [event, sent]


def log(place: Place, *records: LogRecord) -> None:
    logger = place.factory.create_logger("test")
    for each in records:
        logger.log(each)
    logger.close()


def test_events_alone(readable_place: Place) -> None:
    """``events_only`` leaves out deliveries and what the program itself has logged."""
    event, sent = published()
    log(readable_place, event, sent, record("socket.refused"))
    reader = readable_place.factory.create_reader()
    assert reader.read(LogQuery(events_only=True)) == [event]
    assert reader.read(LogQuery(events_only=True, app="shop")) == [event]
    assert reader.read(LogQuery(events_only=True, app="blog")) == []


def test_deliveries_are_found_by_their_event(readable_place: Place) -> None:
    """They come with the event's id; what names app, event, room or words finds what was sent."""
    event, sent = published(rooms=("room",), data={"note": "word"})
    log(readable_place, event, sent)
    reader = readable_place.factory.create_reader()
    assert reader.read(LogQuery(event_id=event.id)) == [sent, event]
    assert reader.read(LogQuery(event_id=event.id, app="blog")) == []
    assert reader.read(LogQuery(event_id=event.id, app="shop", limit=1)) == [sent]
    assert reader.read(LogQuery()) == [sent, event]
    for query in (
        LogQuery(app="shop"),
        LogQuery(event="order.paid"),
        LogQuery(room="room"),
        LogQuery(words=("word",)),
    ):
        assert reader.read(query) == [event]


def test_words(readable_place: Place) -> None:
    """An event is found by each of its words, in any case, and by several only if it has all."""
    event, sent = published(
        "order.paid",
        {
            "orderId": ORDER_ID,
            "amount": 100,
            "paid": True,
            "note": "By jane@example.com in ZÜRICH -- thanks!",
            "lines": [{"productID": 4711, "tags": ["deep"]}],
        },
    )
    log(readable_place, event, sent, *published("order.created"), *published(app="blog"))
    reader = readable_place.factory.create_reader()

    def is_found(asked: str) -> bool:
        query = LogQuery(app="shop", words=tuple(words_in(asked)), events_only=True)
        matching = [each for each in reader.read(query) if each.id == event.id]
        assert matching in ([event], []), asked
        return bool(matching)

    assert [asked for asked in (*ITS_WORDS, *NOT_ITS_WORDS) if is_found(asked)] == ITS_WORDS


def test_an_identifier_of_any_size(readable_place: Place) -> None:
    """An integer under a key that ends in ``id`` finds its event, and is an ``int`` again."""
    numbers = [2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
    events = [published(data={"orderId": n, "lines": [{"n": n}]})[0] for n in numbers]
    log(readable_place, *events, *published())
    reader = readable_place.factory.create_reader()
    for number, event in zip(numbers, events, strict=True):
        (found,) = reader.read(LogQuery(app="shop", words=tuple(words_in(str(number)))))
        assert found == event
        assert type(found.fields["orderId"]) is int


@pytest.mark.parametrize("place", ["mongodb"], indirect=True)
def test_what_has_the_same_number_is_passed_by(place: Place, mongo: MongoService) -> None:
    """Records that a term finds and that do not answer make no page shorter, and no log end."""
    events = [published(data={"note": "red" if number == 0 else "blue"})[0] for number in range(7)]
    log(place, *events)
    client: MongoClient[Document] = MongoClient(mongo.uri)
    with client:
        # As if "red" and "blue" had the same hash.
        stored = client[mongo.database]["event_log"]
        red = stored.find_one({"_id": events[0].id})
        assert red is not None
        stored.update_many({}, {"$set": {"terms": red["terms"]}})
    reader = place.factory.create_reader()
    for limit in (1, 2, 7, 100):
        query = LogQuery(app="shop", words=("red",), limit=limit)
        assert reader.read(query) == [events[0]]


def test_filters_together(readable_place: Place) -> None:
    """Rooms, names, words and times narrow each other, page by page, within one app."""
    events = [
        published(
            "Order.paid" if number % 2 else "order.paid",
            {"colour": ["red", "blue", "green"][number % 3]},
            app=f"app{number % 2}",
            rooms=("all", f"room{number % 4}"),
            at=NOON + timedelta(seconds=number),
        )[0]
        for number in range(24)
    ]
    log(readable_place, *events)
    reader = readable_place.factory.create_reader()

    def found(query: LogQuery) -> list[int]:
        return [events.index(each) for each in reader.read(query)]

    assert found(LogQuery(app="app1", room="room3")) == [23, 19, 15, 11, 7, 3]
    assert found(LogQuery(app="app1", room="room3", words=("red",))) == [15, 3]
    assert found(LogQuery(app="app0", room="room3")) == []
    assert found(LogQuery(app="app0", event="Order.paid")) == []
    assert found(LogQuery(room="all", words=("blue", "order"), limit=3)) == [22, 19, 16]
    before = events[16].id
    assert found(LogQuery(room="all", words=("blue",), before=before, limit=2)) == [13, 10]
    since, until = events[8].time, events[12].time
    assert found(LogQuery(since=since, until=until)) == [11, 10, 9, 8]
    assert found(LogQuery(app="app0", since=since, until=until)) == [10, 8]
    assert found(LogQuery(app="app0", words=("red",), until=until)) == [6, 0]
    assert found(LogQuery(event="order.paid", since=until, limit=2)) == [22, 20]


def test_all_apps_are_searched_where_none_is_named(readable_place: Place) -> None:
    """Events of every app, and of none, come in one order."""
    apps = ["shop", None, "blog", "shop", None]
    events = [published(app=app)[0] for app in apps]
    log(readable_place, *events)
    reader = readable_place.factory.create_reader()
    assert reader.read(LogQuery(event="order.paid")) == events[::-1]
    assert reader.read(LogQuery(event="order.paid", limit=2)) == events[:2:-1]


@pytest.mark.parametrize("seconds", [-9, 9])
def test_the_clock_was_set(readable_place: Place, seconds: int) -> None:
    """The time of an event may be 10 s away from that in its id, and still bounds the search."""
    at = NOON + timedelta(seconds=seconds)
    event = event_record("a", {}, event_id=uuid7_at(NOON), time=at, app="shop")
    log(readable_place, event)
    reader = readable_place.factory.create_reader()
    moment = timedelta(milliseconds=1)
    assert reader.read(LogQuery(app="shop", since=at, until=at + moment)) == [event]
    assert reader.read(LogQuery(app="shop", since=at + moment)) == []
    assert reader.read(LogQuery(app="shop", until=at)) == []


@pytest.mark.parametrize("place", ["sqlite", "mariadb", "postgresql"], indirect=True)
def test_a_search_in_many_steps(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found far apart is found whole; what takes too long for that is said to."""
    monkeypatch.setattr(sql_reader, "STEP", 3)
    events = [
        published(
            data={"a": "rare" if number % 10 == 0 else "b", "c": "x" if number < 25 else "y"}
        )[0]
        for number in range(50)
    ]
    log(place, *events)
    reader = place.factory.create_reader()
    query = LogQuery(app="shop", words=("rare", "x"))
    assert [events.index(each) for each in reader.read(query)] == [20, 10, 0]
    found: list[int] = []
    with monkeypatch.context() as hurried:
        # A step each: what it found is handed on, and the next read goes on from there.
        hurried.setattr(term_reader, "READ_SECONDS", 0.0)
        reached = ["~"]
        while reached[-1]:
            try:
                for each in reader.stream(replace(query, before=reached[-1])):
                    found.append(events.index(each))
                reached.append("")
            except ReadTooLong as error:
                reached.append(error.reached or "")
    assert len(reached) > 2
    assert reached == sorted(set(reached), reverse=True)
    assert found == [20, 10, 0]
    nowhere = LogQuery(app="shop", words=("b", "rare"))
    assert reader.read(nowhere) == []
    monkeypatch.setattr(term_reader, "READ_SECONDS", 0.0)
    with pytest.raises(ReadTooLong, match="a shorter time"):
        reader.read(nowhere)


@pytest.mark.parametrize("place", ["sqlite", "mariadb", "postgresql"], indirect=True)
@pytest.mark.parametrize("app", ["shop", None])
def test_times_are_compared_in_few_steps(place: Place, app: str | None) -> None:
    """The thousands of events whose ids are near the time asked for are looked at in few calls."""
    factory = place.factory
    assert isinstance(factory, SqlLoggerFactory)
    factory.prepare()
    times = [NOON + timedelta(milliseconds=2 * number) for number in range(4000)]
    for start in range(0, len(times), 1000):
        factory.sink.write([published(at=at)[0] for at in times[start : start + 1000]])
    reader = factory.create_reader()
    reader.read(LogQuery(limit=1))
    sent: list[str] = []
    listening.listen(
        factory._engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: sent.append(statement),
    )
    last = times[-1]
    moment = timedelta(milliseconds=1)
    assert reader.read(LogQuery(app=app, since=last + moment, limit=1)) == []
    (found,) = reader.read(LogQuery(app=app, until=times[0] + moment, limit=1))
    assert found.time == times[0]
    assert len(sent) < 60


def test_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination that is down is said to be, by one name whatever it is."""
    monkeypatch.setattr(term_reader, "READ_SECONDS", 0.5)
    with pytest.raises(DestinationUnreachable):
        SqlLoggerFactory(engine_without_database()).create_reader().read(LogQuery())
    client: MongoClient[Document] = MongoClient("mongodb://127.0.0.1:1", connectTimeoutMS=50)
    with client:
        reader = MongoLoggerFactory(
            client.get_database("x", read_preference=None)["event_log"]
        ).create_reader()
        with pytest.raises(DestinationUnreachable):
            reader.read(LogQuery(app="shop"))


@pytest.mark.parametrize("place", ["sqlite", "mariadb", "postgresql"], indirect=True)
def test_what_is_old_is_deleted(place: Place) -> None:
    """The oldest go first, as many as asked for, with all that they are found by."""
    factory = place.factory
    assert isinstance(factory, SqlLoggerFactory)
    awkward: JsonObject = {"a": "NUL \x00 in \ud800 it", "id": 2**63 - 1, "deep": [{"b": "c d"}]}
    old = [
        each
        for number in range(10)
        for each in published("a\x00b", awkward, rooms=("r", "\x00"), at=NOON + timedelta(number))
    ]
    young = published()
    log(place, *old, *young)
    moment = NOON + timedelta(20)
    assert factory.delete_before(NOON, 100) == 0
    # The ids of deliveries are new: their time is not theirs, and they go with the ids.
    assert factory.delete_before(moment, 4) == 4
    reader = factory.create_reader()
    assert read_all(reader)[0] == reader.read(LogQuery(event_id=old[8].id))[-1]
    assert factory.delete_before(moment, 100) == 6
    kept = {each.id for each in read_all(reader)}
    assert kept == {each.id for each in (*young, *old[1::2])}
    with factory._engine.connect() as connection:
        left = connection.scalars(text("SELECT DISTINCT record_id FROM event_log_term")).all()
    assert left == [young[0].id]


def test_mongodb_deletes_by_itself(mongo: MongoService) -> None:
    """The index by which it does is made, changed and dropped as the setting is."""
    client: MongoClient[Document] = MongoClient(mongo.uri)
    with client:
        client.drop_database(mongo.database)
        collection = client[mongo.database]["event_log"]
        for days in (30, 30, 7, None, None):
            keep = None if days is None else timedelta(days=days)
            MongoLoggerFactory(collection, keep=keep).prepare()
            index = collection.index_information().get("retention")
            assert (index and index["expireAfterSeconds"]) == (days and days * 86_400)
            assert index is None or index["key"] == [("time", 1)]


def test_words_are_bounded() -> None:
    """However large or odd an event is, it has so many words, of so many characters."""
    many: JsonObject = {str(number): f"w{number}" for number in range(1000)}
    assert len(words_of(LogRecord(event="a", message="m", fields=many))) == MAX_WORDS
    assert words_of(record("a", "m", x="y" * (MAX_WORD + 1))) == {"a", "m"}
    assert words_of(record("a", "m", x="word " * 1_000_000)) == {"a", "m", "word"}
    itself: JsonObject = {"note": "x"}
    itself["self"] = itself
    assert words_of(LogRecord(event="a", message="m", fields=itself)) == {"a", "m", "x"}
    assert words_of(record("a", "m", id=10**5000)) == {"a", "m"}
    assert words_of(LogRecord(event="a", message="m", recipients=("s",))) == set()


def test_ids_tell_their_time() -> None:
    """Every id of a millisecond sorts between the bounds of it and of the next."""
    start, end = earliest_id(1000), earliest_id(1001)
    assert start < uuid7_at(datetime.fromtimestamp(1, UTC)) < end
    assert earliest_id(-5) == earliest_id(0) < start < uuid7() < earliest_id(2**60)
