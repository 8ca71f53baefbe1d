"""Reading the ``sql`` destination: newest first, by the order of an index, in bounded steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from typing import TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, exists, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from logger_lib.destinations.sql_parts import parts_of, select_short
from logger_lib.destinations.sql_table import (
    event_log,
    event_log_app,
    event_log_term,
    record_of,
)
from logger_lib.errors import DestinationUnreachable
from logger_lib.logger import LogQuery
from logger_lib.offload import Offload
from logger_lib.record import LogRecord, microseconds_of
from logger_lib.term_reader import Deadline, Decoded, Span, TermReader
from logger_lib.terms import storable

Result = TypeVar("Result")

STEP = 5000
"""How many entries of an index are looked at in one call: on SQLite everybody else waits for it."""
FIRST = 128
"""How many records are looked up in one call; more where few of them are what is asked for."""
MOST = 1024
"""The most of these; every database takes as many values in a statement."""
PART_BYTES = 1_048_576
"""About how much text is read in one call, and in memory at a time; a larger record comes alone."""

# Where PostgreSQL takes a term for rarer than it is, it would collect all of its entries and sort
# them. Each holds for the transaction.
_ALONG_THE_INDEX = text(
    "SELECT set_config('enable_bitmapscan', 'off', true),"
    " set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)"
)


Stored: TypeAlias = Row[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class _Step:
    """What one call came to, newest first.

    ``looked_at`` ids were looked up for ``rows``. What is left is older than ``reached``; None:
    nothing is left.
    """

    rows: Sequence[Stored]
    looked_at: int
    reached: str | None


class SqlReader(TermReader):
    """Reads ``event_log`` by its primary key, or by that of ``event_log_term``.

    ``prepare`` makes the tables, which may not be there when nothing was ever logged.
    """

    def __init__(self, engine: Engine, offload: Offload, prepare: Callable[[], None]) -> None:
        self._engine = engine
        self._offload = offload
        self._prepare = prepare
        self._is_prepared = False

    def stream(self, query: LogQuery) -> Iterator[LogRecord]:
        """Yield what ``query`` asks for; see ``TermReader.stream``."""
        return super().stream(_as_stored(query))

    def _ids_of_event(self, event_id: str, deadline: Deadline) -> list[str]:  # noqa: ARG002  few
        its_own = select(event_log.c.id).where(event_log.c.event_id == event_id)
        return self._call(lambda connection: list(connection.scalars(its_own)))

    def _apps(self, deadline: Deadline) -> list[str]:  # noqa: ARG002  a small table
        return self._call(lambda connection: list(connection.scalars(select(event_log_app.c.app))))

    def _newest_ids(
        self, query: LogQuery, terms: Sequence[int], span: Span, deadline: Deadline
    ) -> list[str]:
        steps = self._steps(query, terms, span, deadline, with_texts=False)
        ids = (str(row.id) for step in steps for row in step.rows)
        return list(islice(ids, query.limit))

    def _newest(
        self, query: LogQuery, terms: Sequence[int], span: Span, deadline: Deadline
    ) -> Iterator[Decoded]:
        for step in self._steps(query, terms, span, deadline, with_texts=True):
            yield from self._read(step.rows, deadline)
            deadline.reached = step.reached or deadline.reached

    def _records(self, ids: Sequence[str], deadline: Deadline) -> Iterator[Decoded]:
        for start in range(0, len(ids), FIRST):
            deadline.left()
            some = ids[start : start + FIRST]
            yield from self._read(self._call(partial(_short_rows, some, ())), deadline)

    def _steps(
        self,
        query: LogQuery,
        terms: Sequence[int],
        span: Span,
        deadline: Deadline,
        *,
        with_texts: bool,
    ) -> Iterator[_Step]:
        most = min(query.limit, FIRST)
        while True:
            step = self._call(partial(_step, query, terms, span, most, with_texts=with_texts))
            yield step
            if step.reached is None:
                return
            deadline.left()
            span = replace(span, upper=step.reached)
            if len(step.rows) < step.looked_at:
                most = min(most * 4, MOST)

    def _read(self, rows: Iterable[Stored], deadline: Deadline) -> Iterator[Decoded]:
        """Yield the records of ``rows``, and read those that were too long to come with them."""
        for is_short, some in groupby(rows, key=lambda row: row.fields is not None):
            if is_short:
                yield from map(_decoded, some)
                continue
            for part in parts_of(((row.id, row.size) for row in some), PART_BYTES):
                deadline.left()
                yield from map(_decoded, self._call(partial(_rows, part)))

    def _call(self, work: Callable[[Connection], Result]) -> Result:
        def connected() -> Result:
            with self._engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(_ALONG_THE_INDEX)
                return work(connection)

        with _outage_named():
            if not self._is_prepared:
                self._prepare()
                self._is_prepared = True
            return self._offload(connected)


@contextmanager
def _outage_named() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, NoFreeConnection, OSError) as error:
        raise DestinationUnreachable("sql") from error


def _step(
    query: LogQuery,
    terms: Sequence[int],
    span: Span,
    most: int,
    connection: Connection,
    *,
    with_texts: bool,
) -> _Step:
    indexes = [_Index(term) for term in terms] or [_Index(None)]
    ids, reached = _newest_ids(indexes, span, most, connection)
    if not ids:
        return _Step((), 0, reached)
    # Not in one statement with the ids: a planner that guesses wrong would begin with the log.
    read = _short_rows if with_texts else _rows_of_ids
    return _Step(read(ids, tuple(_conditions(query)), connection), len(ids), reached)


def _short_rows(
    ids: Sequence[str], conditions: Sequence[ColumnElement[bool]], connection: Connection
) -> list[Stored]:
    chosen = select_short(connection, ids, PART_BYTES).where(*conditions)
    return _newest_first(connection.execute(chosen))


def _rows_of_ids(
    ids: Sequence[str], conditions: Sequence[ColumnElement[bool]], connection: Connection
) -> list[Stored]:
    chosen = select(event_log.c.id).where(event_log.c.id.in_(ids), *conditions)
    return _newest_first(connection.execute(chosen))


def _rows(ids: Sequence[str], connection: Connection) -> list[Stored]:
    return _newest_first(connection.execute(select(event_log).where(event_log.c.id.in_(ids))))


def _newest_first(rows: Iterable[Stored]) -> list[Stored]:
    return sorted(rows, key=lambda row: str(row.id), reverse=True)


def _decoded(row: Stored) -> Decoded:
    return record_of(row), len(row.fields) + len(row.recipients) + len(row.message)


def _newest_ids(
    indexes: Sequence[_Index], span: Span, most: int, connection: Connection
) -> tuple[list[str], str | None]:
    """Return the newest ids in ``span`` that are in all ``indexes``, and how far was looked."""
    first, reached = indexes[0], None
    if len(indexes) > 1:
        first, reached = _rarest(indexes, span, connection)
        span = Span(span.lower if reached is None else reached, span.upper)
    others = [index for index in indexes if index is not first]
    ids = list(connection.scalars(first.newest(span, most, others)))
    return ids, ids[-1] if len(ids) == most else reached


def _rarest(
    indexes: Sequence[_Index], span: Span, connection: Connection
) -> tuple[_Index, str | None]:
    """Return the index with the fewest entries in ``span``, and where a step in it ends.

    The one whose step goes back furthest needs the fewest steps; None: one step is enough.
    """
    best, furthest = indexes[0], None
    for index in indexes:
        end = connection.scalar(index.end_of_step(span))
        if end is None:
            return index, None
        if furthest is None or end < furthest:
            best, furthest = index, end
    return best, furthest


class _Index:
    """Ids in their order: those that a term finds, or without a term all."""

    def __init__(self, term: int | None) -> None:
        self._table = event_log if term is None else event_log_term.alias()
        self._term = term
        self._id = self._table.c.id if term is None else self._table.c.record_id

    def newest(self, span: Span, most: int, others: Iterable[_Index]) -> Select[str]:
        """Return the query for the newest ids in ``span`` that are in ``others`` too."""
        both = [other._has(self._id, span) for other in others]
        within = select(self._id).where(*self._within(span), *both)
        # MySQL might begin with one of the others, and sort.
        for dialect in ("mysql", "mariadb"):
            within = within.prefix_with("STRAIGHT_JOIN", dialect=dialect)
        return within.order_by(self._id.desc()).limit(most)

    def end_of_step(self, span: Span) -> Select[str]:
        """Return the query for the last entry of a step; none where ``span`` ends before."""
        within = select(self._id).where(*self._within(span))
        return within.order_by(self._id.desc()).limit(1).offset(STEP - 1)

    def _has(self, record_id: ColumnElement[str], span: Span) -> ColumnElement[bool]:
        return exists().where(self._id == record_id, *self._within(span))

    def _within(self, span: Span) -> Iterator[ColumnElement[bool]]:
        if self._term is not None:
            yield self._table.c.term == self._term
        if span.lower is not None:
            yield self._id >= span.lower
        if span.upper is not None:
            yield self._id < span.upper


def _conditions(query: LogQuery) -> Iterator[ColumnElement[bool]]:
    """Yield what has to hold beside the terms: they are numbers, and two may be the same."""
    log = event_log.c
    if query.app is not None:
        yield log.app == query.app
    if query.event is not None:
        yield log.event == query.event
    if query.events_only:
        yield log.event_id == log.id
    if query.since is not None:
        yield log.time >= microseconds_of(query.since)
    if query.until is not None:
        yield log.time < microseconds_of(query.until)


def _as_stored(query: LogQuery) -> LogQuery:
    """Return ``query`` with its texts as columns hold them."""
    return replace(
        query,
        app=None if query.app is None else storable(query.app),
        event=None if query.event is None else storable(query.event),
        event_id=None if query.event_id is None else storable(query.event_id),
    )
