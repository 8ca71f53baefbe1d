"""Which days of users a writer knows to be in the table, so that it need not ask for them."""

from collections.abc import Iterable, Set
from itertools import count
from typing import NamedTuple, TypeAlias

from webapp.collect.store.app_lock import NO_MARK, AppState, Mark
from webapp.collect.store.hit_sql import Row
from webapp.storage.hit_tables import ANY_EVENT

KEPT = 100_000
"""How many days are known at most; those that were not seen for longest go first."""

KEPT_BYTES = 32 << 20
"""How much memory they take at most, about: 100,000 whose names have 20 characters take 27 MB."""

_DAY_BYTES = 230
"""Of a day, but for the characters of its names, of which one that is not ASCII has up to 4."""

MAX_APPS = 10_000
"""Of how many apps; the one that was not seen for longest goes first, with what is known of it."""

DayKey: TypeAlias = tuple[int, Row]
"""A day of a user, with the era of its app."""


class _Era(NamedTuple):
    """A time in which no day of the app's users went. No two have the same number."""

    number: int
    removals: int
    version: int


class Learned(NamedTuple):
    """What a transaction leaves to be known."""

    days: Set[DayKey]
    """What was unknown before it."""
    mark: Mark
    """A hit that it has inserted, or, where it has none, the one before."""


class KnownDays:
    """What one writer knows, for one transaction at a time.

    It is asked within the transaction that holds the apps, and told when that is committed. What it
    knows of an app is over with the app's era: where days went, whoever deleted them, and where the
    database was restored: then a version has gone back, or what was committed last is not there.
    """

    def __init__(self, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._half = kept // 2
        self._half_bytes = kept_bytes // 2
        self._young_bytes = 0
        self._young: set[DayKey] = set()
        self._old: set[DayKey] = set()
        self._eras: dict[str, _Era] = {}
        self._numbers = count()
        self.mark = NO_MARK
        """A hit of the last transaction that has inserted any: while it is there, so is all that
        was there before it, but for what was deleted."""
        self.hits = 0
        """How many days of users with new hits were known."""
        self.misses = 0
        """How many were not."""

    def unknown(self, states: Iterable[AppState], days: Set[Row]) -> Set[DayKey]:
        """Return those of ``days`` that may not be in the table, also as days of any event.

        ``days`` are as ``HitSums.user_days`` has them, and ``states`` those of all their apps.
        """
        eras = {state.app_id: self._era(state) for state in states}
        given = {(eras[str(day[0])], day) for day in days}
        missed = given - self._young
        seen = missed & self._old
        self._keep(seen)
        missed -= seen
        self.hits += len(given) - len(missed)
        self.misses += len(missed)
        of_any = {(era, (app, ANY_EVENT, user, day)) for era, (app, _, user, day) in missed}
        return missed | (of_any - self._young - self._old)

    def learn(self, learned: "Learned") -> None:
        """Know what is committed now."""
        self.mark = learned.mark
        self._keep(learned.days)

    def _keep(self, days: Set[DayKey]) -> None:
        self._young |= days
        self._young_bytes += sum(map(_bytes_of, days))
        if len(self._young) > self._half or self._young_bytes > self._half_bytes:
            self._old, self._young = self._young, set()
            self._young_bytes = 0

    def _era(self, state: AppState) -> int:
        era = self._eras.pop(state.app_id, None)
        goes_on = era and era.removals == state.removals and era.version < state.version
        number = era.number if era and goes_on and state.has_mark else next(self._numbers)
        if len(self._eras) >= MAX_APPS:
            del self._eras[next(iter(self._eras))]
        self._eras[state.app_id] = _Era(number, state.removals, state.version)
        return number


def _bytes_of(day: DayKey) -> int:
    _, (_, event, user, _) = day
    names = f"{event}{user}"
    return _DAY_BYTES + len(names) * (1 if names.isascii() else 4)
