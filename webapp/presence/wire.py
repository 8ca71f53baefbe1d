"""What hosts tell each other of who comes and goes in the rooms that are watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from logger_lib import JsonObject, JsonValue
from webapp.presence.question import MalformedAnswer

PART_SIZE = 32_768
"""How much of a roster is said at once: of one in one piece who reads it would do nothing else."""

_SOCKET_SIZE = 30
"""Bytes of a socket beside its subject."""


class AppRoom(NamedTuple):
    """A room of an app."""

    app_id: str
    room: str


class Change(NamedTuple):
    """A socket that has come into a room, or is out of it."""

    at: AppRoom
    sid: str
    subject: str | None
    came: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """The rooms that are watched at a host."""

    rooms: frozenset[AppRoom]
    is_all: bool
    """Whether these are all, or more are watched that it has told of before."""
    anew: bool
    """Whether it has to be told who is in them, also where it was told before."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Who has come and gone at a host, in order."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is in a room at a host, or a part of that."""

    at: AppRoom
    subjects: Mapping[str, str | None]
    """By sid."""
    is_cut: bool
    """Whether there are more than these, and than those of all its parts."""
    part: int = 0
    """How many parts stand before it."""
    is_last: bool = True

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        return sum(_SOCKET_SIZE + len(subject or "") for subject in self.subjects.values())

    def parts(self) -> Iterator[Roster]:
        """Return it in parts that may be said one after the other."""
        some: dict[str, str | None] = {}
        number = size = 0
        for sid, subject in self.subjects.items():
            if size >= PART_SIZE:
                yield Roster(self.at, some, self.is_cut, number, is_last=False)
                number, size, some = number + 1, 0, {}
            some[sid] = subject
            size += _SOCKET_SIZE + len(subject or "")
        yield Roster(self.at, some, self.is_cut, number)


Said: TypeAlias = Watched | Changes | Roster


def wire_of(said: Said) -> JsonObject:
    """Return what is sent to the other hosts."""
    match said:
        case Watched():
            rooms: list[JsonValue] = [[*at] for at in sorted(said.rooms)]
            return {"k": "watched", "rooms": rooms, "all": said.is_all, "anew": said.anew}
        case Changes():
            changes: list[JsonValue] = [
                [*change.at, change.sid, change.subject, change.came] for change in said.changes
            ]
            return {"k": "changes", "changes": changes}
        case Roster():
            subjects: JsonObject = {**said.subjects}
            whole: JsonObject = {"k": "roster", "at": [*said.at], "subjects": subjects}
            return {**whole, "cut": said.is_cut, "part": said.part, "last": said.is_last}


def read_said(told: JsonObject) -> Said:
    """Return what another host has sent. Raises ``MalformedAnswer``."""
    match told:
        case {"k": "watched", "rooms": list(rooms), "all": bool(is_all), "anew": bool(anew)}:
            return Watched(frozenset(_at(room) for room in rooms), is_all, anew)
        case {"k": "changes", "changes": list(changes)}:
            return Changes(tuple(_change(change) for change in changes))
        case {
            "k": "roster",
            "at": at,
            "subjects": dict(subjects),
            "cut": bool(is_cut),
            "part": int(part),
            "last": bool(is_last),
        }:
            known = {sid: _subject(subject) for sid, subject in subjects.items()}
            return Roster(_at(at), known, is_cut, part, is_last)
    raise MalformedAnswer("nothing that hosts tell each other of rooms")


def _at(told: JsonValue) -> AppRoom:
    match told:
        case [str(app_id), str(room)]:
            return AppRoom(app_id, room)
    raise MalformedAnswer("not a room of an app")


def _change(told: JsonValue) -> Change:
    match told:
        case [str(app_id), str(room), str(sid), str() | None as subject, bool(came)]:
            return Change(AppRoom(app_id, room), sid, subject, came)
    raise MalformedAnswer("not a change")


def _subject(told: JsonValue) -> str | None:
    if told is None or isinstance(told, str):
        return told
    raise MalformedAnswer("not a subject")
