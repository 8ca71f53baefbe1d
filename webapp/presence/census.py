"""Who is there: counted here, and added up over all hosts."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

import orjson

from logger_lib import JsonObject, JsonValue
from webapp.names import is_own
from webapp.presence.question import (
    ConnectedRow,
    MalformedAnswer,
    Page,
    Question,
    RoomRow,
    Row,
    SocketRow,
    added_up,
    read_page,
    rooms_joined,
    sockets_joined,
)
from webapp.realtime.rooms import RoomManager

MAX_ANSWER_BYTES = 131_072
"""About how much a host answers another one at once, or one row; that one has to ask for more."""

NAMES_A_TURN = 5_000
"""How many names are looked at before others get their turn."""


class Others(Protocol):
    """What asks the other hosts."""

    def ask(self, question: JsonObject) -> tuple[Sequence[JsonObject], tuple[str, ...]]:
        """Return what they answer within their time, and who did not."""
        ...


class Alone:
    """What there is to ask where there is one host."""

    def ask(self, question: JsonObject) -> tuple[Sequence[JsonObject], tuple[str, ...]]:
        """Return that nobody has anything to say."""
        del question
        return (), ()


@dataclass(frozen=True, slots=True)
class Told(Generic[Row]):
    """What is there, as far as hosts have answered."""

    page: Page[Row]
    unreached: tuple[str, ...]
    """The hosts that have not."""


class Census:
    """Counts the sockets of this host, whose name is ``host``, and those of all ``others``."""

    def __init__(self, host: str, rooms: RoomManager, others: Others | None = None) -> None:
        self._host = host
        self._rooms = rooms
        self._others = others or Alone()
        self.questions = 0
        """How many were asked here."""
        self.malformed = 0
        """How many answers were none."""

    def rooms(self, question: Question) -> Told[RoomRow]:
        """Return a page of the rooms of an app, on all hosts."""
        answers, unreached = self._ask(question)
        pages = [self._rooms_here(question), *self._read(answers, RoomRow.of)]
        return Told(added_up(pages, question.limit, rooms_joined), unreached)

    def sockets(self, question: Question, room: str) -> Told[SocketRow]:
        """Return a page of the sockets in ``room`` of an app, on all hosts."""
        answers, unreached = self._ask(question)
        pages = [self._sockets_here(question, room), *self._read(answers, SocketRow.of)]
        return Told(added_up(pages, question.limit, sockets_joined), unreached)

    def connected(self, question: Question) -> Told[ConnectedRow]:
        """Return a page of all sockets of an app, on all hosts."""
        answers, unreached = self._ask(question)
        pages = [_cut(self._connected_here(question)), *self._read(answers, ConnectedRow.of)]
        return Told(added_up(pages, question.limit, sockets_joined), unreached)

    def _ask(self, question: Question) -> tuple[Sequence[JsonObject], tuple[str, ...]]:
        self.questions += 1
        return self._others.ask(question.to_wire())

    def answer(self, asked: JsonObject) -> JsonObject:
        """Return what is here, to another host. Raises ``MalformedAnswer``."""
        question = Question.of(asked)
        if question.all_sockets:
            return _cut(self._connected_here(question)).to_wire()
        if question.room is None:
            return _cut(self._rooms_here(question)).to_wire()
        return _cut(self._sockets_here(question, question.room)).to_wire()

    def _read(
        self, answers: Sequence[JsonObject], row_of: Callable[[JsonValue], Row]
    ) -> list[Page[Row]]:
        pages: list[Page[Row]] = []
        for answer in answers:
            try:
                pages.append(read_page(answer, row_of))
            except MalformedAnswer:
                self.malformed += 1
        return pages

    def _rooms_here(self, question: Question) -> Page[RoomRow]:
        names = [*self._rooms.sockets_of(question.app_id).rooms()]
        first = _first(names, question)
        # Others have had their turn since.
        sockets = self._rooms.sockets_of(question.app_id)
        rows = [
            RoomRow(name, count)
            for name in first[: question.limit]
            if (count := sockets.count_in(name))
        ]
        return Page(rows, _end(first, question), len(sockets))

    def _sockets_here(self, question: Question, room: str) -> Page[SocketRow]:
        sids = self._rooms.sockets_of(question.app_id).sids_in(room)
        first = _first(sids, question)
        rows = [row for sid in first[: question.limit] if (row := self._row(sid, room))]
        return Page(rows, _end(first, question), len(sids))

    def _connected_here(self, question: Question) -> Page[ConnectedRow]:
        sids = self._rooms.sockets_of(question.app_id).sids()
        first = _first(sids, question)
        rows = [row for sid in first[: question.limit] if (row := self._connected_row(sid))]
        return Page(rows, _end(first, question), len(sids))

    def _connected_row(self, sid: str) -> ConnectedRow | None:
        member = self._rooms.member(sid)
        if member is None or member.owner is None or not member.connected:
            return None
        claims = member.owner.claims
        rooms = sorted(room for room in member.rooms if not is_own(room))
        return ConnectedRow(
            sid, member.connected_at, claims.subject if claims else None, self._host, rooms
        )

    def _row(self, sid: str, room: str) -> SocketRow | None:
        member = self._rooms.member(sid)
        since = None if member is None else member.since.get(room)
        if member is None or since is None:
            return None
        claims = member.admitted.claims
        return SocketRow(sid, since, claims.subject if claims else None, self._host)


def _first(names: Sequence[str], question: Question) -> list[str]:
    """Return the names that are asked for, in order, and one more where there is one."""
    first: list[str] = []
    for start in range(0, len(names), NAMES_A_TURN):
        if start:
            time.sleep(0)
        some = names[start : start + NAMES_A_TURN]
        first = heapq.nsmallest(question.limit + 1, [*first, *_asked_for(some, question)])
    return first


def _end(first: Sequence[str], question: Question) -> str | None:
    return first[question.limit - 1] if len(first) > question.limit else None


def _asked_for(names: Iterable[str], question: Question) -> Iterable[str]:
    return (
        name
        for name in names
        if name > question.after and name.startswith(question.prefix) and not is_own(name)
    )


def _cut(page: Page[Row]) -> Page[Row]:
    """Return the page, or as much of it as is answered at once."""
    size = 0
    for number, row in enumerate(page.rows):
        size += len(orjson.dumps(row.to_wire()))
        if number and size > MAX_ANSWER_BYTES:
            return Page(page.rows[:number], page.rows[number - 1].name, page.sockets)
    return page
