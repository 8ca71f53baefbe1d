"""What a host is asked about the sockets of an app, and the page that it answers with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from logger_lib import JsonObject, JsonValue


class MalformedAnswer(ValueError):
    """A question, or an answer to one, that no host of this version has written."""


@dataclass(frozen=True, slots=True)
class Question:
    """The rooms of an app, the sockets in ``room``, or all sockets: what comes after a name.

    In order.
    """

    app_id: str
    limit: int
    after: str = ""
    prefix: str = ""
    """What the names of rooms begin with."""
    room: str | None = None
    all_sockets: bool = False

    def to_wire(self) -> JsonObject:
        """Return what another host is sent."""
        return {
            "app": self.app_id,
            "limit": self.limit,
            "after": self.after,
            "prefix": self.prefix,
            "room": self.room,
            "all": self.all_sockets,
        }

    @classmethod
    def of(cls, told: JsonObject) -> Question:
        """Return what another host asks. Raises ``MalformedAnswer``."""
        match told:
            case {
                "app": str(app_id),
                "limit": int(limit),
                "after": str(after),
                "prefix": str(prefix),
                "room": str() | None as room,
            }:
                return cls(app_id, limit, after, prefix, room, told.get("all") is True)
        raise MalformedAnswer("not a question")


@dataclass(frozen=True, slots=True)
class RoomRow:
    """A room and how many sockets are in it."""

    name: str
    sockets: int

    def to_wire(self) -> list[JsonValue]:
        """Return what another host is answered."""
        return [self.name, self.sockets]

    @classmethod
    def of(cls, told: JsonValue) -> RoomRow:
        """Return what another host says. Raises ``MalformedAnswer``."""
        match told:
            case [str(name), int(sockets)]:
                return cls(name, sockets)
        raise MalformedAnswer("not a room")


@dataclass(frozen=True, slots=True)
class SocketRow:
    """A socket in a room."""

    name: str
    """Its sid."""
    since: float
    """When it came into the room, in Unix seconds."""
    subject: str | None
    """That of its room token; ``None`` where it has a key, or a token without one."""
    host: str

    def to_wire(self) -> list[JsonValue]:
        """Return what another host is answered."""
        return [self.name, self.since, self.subject, self.host]

    @classmethod
    def of(cls, told: JsonValue) -> SocketRow:
        """Return what another host says. Raises ``MalformedAnswer``."""
        match told:
            case [str(sid), float(since), str() | None as subject, str(host)]:
                return cls(sid, since, subject, host)
        raise MalformedAnswer("not a socket")


@dataclass(frozen=True, slots=True)
class ConnectedRow:
    """A socket, wherever it is."""

    name: str
    """Its sid."""
    since: float
    """When it connected, in Unix seconds."""
    subject: str | None
    """That of its room token; ``None`` where it has a key, or a token without one."""
    host: str
    rooms: Sequence[str]
    """Those that are not Herald's own, in order."""

    def to_wire(self) -> list[JsonValue]:
        """Return what another host is answered."""
        return [self.name, self.since, self.subject, self.host, [*self.rooms]]

    @classmethod
    def of(cls, told: JsonValue) -> ConnectedRow:
        """Return what another host says. Raises ``MalformedAnswer``."""
        match told:
            case [str(sid), float(since), str() | None as subject, str(host), list(rooms)]:
                return cls(sid, since, subject, host, [str(room) for room in rooms])
        raise MalformedAnswer("not a socket with its rooms")


Row = TypeVar("Row", RoomRow, SocketRow, ConnectedRow)
SomeSocket = TypeVar("SomeSocket", SocketRow, ConnectedRow)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The first rows that there are after a name, in order."""

    rows: Sequence[Row]
    end: str | None
    """The name up to which it goes; ``None`` where it goes to the end."""
    sockets: int
    """How many sockets there are in all: of the app, or in the room."""

    def to_wire(self) -> JsonObject:
        """Return what another host is answered."""
        rows: list[JsonValue] = [row.to_wire() for row in self.rows]
        return {"rows": rows, "end": self.end, "sockets": self.sockets}


def read_page(told: JsonObject, row_of: Callable[[JsonValue], Row]) -> Page[Row]:
    """Return the page that another host answers with. Raises ``MalformedAnswer``."""
    match told:
        case {"rows": list(rows), "end": str() | None as end, "sockets": int(sockets)}:
            return Page([row_of(row) for row in rows], end, sockets)
    raise MalformedAnswer("not a page")


def added_up(
    pages: Sequence[Page[Row]], limit: int, joined: Callable[[Iterable[Row]], list[Row]]
) -> Page[Row]:
    """Return one page of ``limit`` rows at most that says what all ``pages`` say together.

    ``joined`` makes one row of those that have the same name.
    """
    # Behind the end of its page a host may have more.
    end = min((page.end for page in pages if page.end is not None), default=None)
    rows = joined(row for page in pages for row in page.rows if end is None or row.name <= end)
    rows.sort(key=lambda row: row.name)
    if len(rows) > limit:
        rows = rows[:limit]
        end = rows[-1].name
    return Page(rows, end, sum(page.sockets for page in pages))


def rooms_joined(rows: Iterable[RoomRow]) -> list[RoomRow]:
    """Return each room once, with its sockets on all hosts."""
    sockets: dict[str, int] = {}
    for row in rows:
        sockets[row.name] = sockets.get(row.name, 0) + row.sockets
    return [RoomRow(name, count) for name, count in sockets.items()]


def sockets_joined(rows: Iterable[SomeSocket]) -> list[SomeSocket]:
    """Return each socket once: for a moment two hosts may have one that comes back, by one sid."""
    newest: dict[str, SomeSocket] = {}
    for row in rows:
        known = newest.get(row.name)
        if known is None or known.since < row.since:
            newest[row.name] = row
    return list(newest.values())
