"""What hosts tell each other: entries of a stream, as JSON, and the other way round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, cast

import orjson

from logger_lib import JsonObject, JsonValue

AppRoom: TypeAlias = tuple[str, str]
"""An app and a room of it."""


class MalformedEntry(ValueError):
    """An entry that no host of this version has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """An event, and the Socket.IO packet in which every host hands it to its sockets."""

    host: str
    """Who published it."""
    number: int
    """How many events this host had published by then, this one too. A host appends its events in
    their order, so who has one of them has all before it."""
    event_id: str
    app_id: str
    name: str
    at: datetime
    rooms: tuple[str, ...]
    excluded: frozenset[str]
    packet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEntry:
    """An event that is neither kept nor confirmed nor logged: who is away misses it."""

    host: str
    app_id: str
    rooms: tuple[str, ...]
    packet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AliveEntry:
    """A host's heartbeat."""

    host: str
    beat: int
    """How many there were before this one."""
    watched: frozenset[AppRoom] | None
    """Where somebody watches what is shown live; ``None``: too many to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneEntry:
    """A host has ended in order."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenEntry:
    """A host has taken over the session of the socket ``sid``, which another host may have."""

    host: str
    sid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskEntry:
    """A question to all other hosts, answered into the inbox of ``host``."""

    host: str
    number: int
    """Which of the questions of this host it is."""
    question: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceEntry:
    """What a host says of the sockets in rooms that are watched; it is not kept for who is away."""

    host: str
    said: JsonObject


Entry: TypeAlias = (
    EventEntry | LiveEntry | AliveEntry | GoneEntry | TakenEntry | AskEntry | PresenceEntry
)


def header_of(entry: Entry) -> bytes:
    """Return all of ``entry`` but its packet, as JSON."""
    match entry:
        case EventEntry():
            told: JsonObject = {
                "k": "event",
                "host": entry.host,
                "n": entry.number,
                "id": entry.event_id,
                "app": entry.app_id,
                "name": entry.name,
                "at": entry.at.isoformat(),
                "rooms": [*entry.rooms],
                "except": [*entry.excluded],
            }
        case LiveEntry():
            told = {"k": "live", "host": entry.host, "app": entry.app_id, "rooms": [*entry.rooms]}
        case AliveEntry():
            watched: list[JsonValue] = [[*at] for at in sorted(entry.watched or ())]
            told = {"k": "alive", "host": entry.host, "n": entry.beat, "watched": watched}
            told["all"] = entry.watched is None
        case GoneEntry():
            told = {"k": "gone", "host": entry.host}
        case TakenEntry():
            told = {"k": "taken", "host": entry.host, "sid": entry.sid}
        case AskEntry():
            told = {"k": "ask", "host": entry.host, "n": entry.number, "ask": entry.question}
        case PresenceEntry():
            told = {"k": "presence", "host": entry.host, "said": entry.said}
    # A copy, as what orjson returns keeps 4 KiB of memory, and many wait while Redis is away.
    return bytes(memoryview(orjson.dumps(told)))


def read_entry(header: bytes, packet: bytes) -> Entry:
    """Return the entry of these two fields. Raises ``MalformedEntry``."""
    try:
        told = orjson.loads(header)
        return _READERS[_text(told, "k")](told, packet.decode())
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedEntry(f"{type(error).__name__}: {error}") from error


def _event(told: JsonObject, packet: str) -> Entry:
    return EventEntry(
        host=_text(told, "host"),
        number=_number(told, "n"),
        event_id=_text(told, "id"),
        app_id=_text(told, "app"),
        name=_text(told, "name"),
        at=datetime.fromisoformat(_text(told, "at")),
        rooms=_texts(told, "rooms"),
        excluded=frozenset(_texts(told, "except")),
        packet=_packet(packet),
    )


def _live(told: JsonObject, packet: str) -> Entry:
    return LiveEntry(
        host=_text(told, "host"),
        app_id=_text(told, "app"),
        rooms=_texts(told, "rooms"),
        packet=_packet(packet),
    )


def _alive(told: JsonObject, packet: str) -> Entry:
    del packet
    watched = None if told["all"] else frozenset(_app_rooms(told["watched"]))
    return AliveEntry(host=_text(told, "host"), beat=_number(told, "n"), watched=watched)


def _gone(told: JsonObject, packet: str) -> Entry:
    del packet
    return GoneEntry(host=_text(told, "host"))


def _taken(told: JsonObject, packet: str) -> Entry:
    del packet
    return TakenEntry(host=_text(told, "host"), sid=_text(told, "sid"))


def _ask(told: JsonObject, packet: str) -> Entry:
    del packet
    question = _object(told, "ask")
    return AskEntry(host=_text(told, "host"), number=_number(told, "n"), question=question)


def _presence(told: JsonObject, packet: str) -> Entry:
    del packet
    return PresenceEntry(host=_text(told, "host"), said=_object(told, "said"))


_READERS: Mapping[str, Callable[[JsonObject, str], Entry]] = {
    "event": _event,
    "live": _live,
    "alive": _alive,
    "gone": _gone,
    "taken": _taken,
    "ask": _ask,
    "presence": _presence,
}


def replies_text(host: str, replies: Mapping[int, int]) -> bytes:
    """Return what ``host`` answers: to how many sockets it gave the event of each number."""
    answers: list[JsonValue] = [[number, count] for number, count in replies.items()]
    return orjson.dumps({"host": host, "answers": answers})


def read_replies(text: bytes) -> tuple[str, Mapping[int, int]]:
    """Return who answers, and what. Raises ``MalformedEntry``."""
    try:
        told = orjson.loads(text)
        host, answers = _text(told, "host"), cast("list[list[int]]", told["answers"])
        return host, {int(number): int(count) for number, count in answers}
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedEntry(f"{type(error).__name__}: {error}") from error


_ANSWER = b'{"told":'
"""How an answer to a question begins: all else in an inbox is about events."""


def answer_text(host: str, number: int, answer: JsonObject) -> bytes:
    """Return what ``host`` answers to a question."""
    return orjson.dumps({"told": answer, "host": host, "n": number})


def read_answer(text: bytes) -> tuple[str, int, JsonObject] | None:
    """Return who answers which question, and what; ``None`` where it is no such answer."""
    if not text.startswith(_ANSWER):
        return None
    try:
        told = orjson.loads(text)
        return _text(told, "host"), _number(told, "n"), _object(told, "told")
    except (ValueError, KeyError, TypeError):
        return None


def _packet(packet: str) -> str:
    # Whatever else somebody writes into the stream, no client gets what is no event.
    if not packet.startswith("2["):
        raise MalformedEntry("a packet that is no event")
    return packet


def _text(told: JsonObject, key: str) -> str:
    value = told[key]
    if not isinstance(value, str):
        raise MalformedEntry(f"{key} is no text")
    return value


def _number(told: JsonObject, key: str) -> int:
    value = told[key]
    if not isinstance(value, int):
        raise MalformedEntry(f"{key} is no number")
    return value


def _object(told: JsonObject, key: str) -> JsonObject:
    value = told[key]
    if not isinstance(value, dict):
        raise MalformedEntry(f"{key} is no object")
    return value


def _app_rooms(told: JsonValue) -> Iterable[AppRoom]:
    for each in told if isinstance(told, list) else ():
        match each:
            case [str(app_id), str(room)]:
                yield app_id, room
            case _:
                raise MalformedEntry("not a room of an app")


def _texts(told: JsonObject, key: str) -> tuple[str, ...]:
    value = told[key]
    if not isinstance(value, list):
        raise MalformedEntry(f"{key} is no list")
    return tuple(str(each) for each in value)
