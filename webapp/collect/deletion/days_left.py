"""Which days users still have a hit of, when some of their hits are deleted."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import TypeAlias

from sqlalchemy import Connection, text

from webapp.collect.store.hit_sql import Dialect, Row
from webapp.storage.hit_tables import ANY_EVENT

FIRST_LOOK = 20
"""How many hits of a user are looked at first, beside those that are about to go."""

BUDGET = 50_000
"""How many hits a transaction may go through of users whose days are open after that: the others
have their turn in the next one. Of a single user all are gone through."""

_USERS_AT_ONCE = 100
_OPEN_AT_ONCE = 25
"""Users of one statement."""

_EVENT, _USER, _DAY = 1, 2, 3
_DAY_MS = 86_400_000

UserDays: TypeAlias = Mapping[str, Set[Row]]
"""Days by their user."""

_Parameters: TypeAlias = dict[str, str | int]


class DaysLeft:
    """Asks ``hit`` about days of users of an app, some of them of any event.

    Of most users few hits are left on a day, or one of each event is found at once: a few hits of
    every user tell. Of the others all hits around their days are gone through.
    """

    def __init__(self, connection: Connection, dialect: Dialect, app_id: str) -> None:
        self._connection = connection
        self._app_id = app_id
        self._found: set[Row] = set()
        self._by_user = f"hit {dialect.by_index('ix_hit_user_id')}"

    def open_among(
        self, days: Set[Row], numbers: Set[int], going: Mapping[str, int]
    ) -> dict[str, Set[Row]]:
        """Return those of ``days`` that nobody can tell of by a first look, by their user.

        The hits that have ``numbers`` do not count; ``going`` says how many each user has of them.
        What is found, or can be nowhere, is kept for ``gone_of``.
        """
        still_open: dict[str, Set[Row]] = {}
        for asked in _parts(by_user(days), _USERS_AT_ONCE):
            most = {user: FIRST_LOOK + going[user] for user in asked}
            seen: Counter[str] = Counter()
            for number, event, user, day in self._first_hits(asked, most):
                seen[str(user)] += 1
                if number not in numbers:
                    self._found.update(with_any_event([(self._app_id, event, user, day)]))
            for user, theirs in asked.items():
                if seen[user] >= most[user] and (unseen := theirs - self._found):
                    still_open[user] = unseen
        return still_open

    def within(self, budget: int, open_days: UserDays) -> Set[str]:
        """Return the users of ``open_days`` whose hits may be gone through; one at least, if any.

        They have at most ``budget`` hits together, unless it is one.
        """
        within: set[str] = set()
        left = budget
        for asked in _parts(open_days, _OPEN_AT_ONCE):
            looked = self._hits_around(asked, budget + 1)
            for user in asked:
                left -= looked[user]
                if within and left < 0:
                    return within
                within.add(user)
        return within

    def gone_of(self, days: Set[Row], open_days: UserDays) -> Set[Row]:
        """Return those of ``days`` that no hit is left of, when the hits have been deleted.

        ``open_days`` are those among them that the first look has left open.
        """
        left = set(self._found)
        for asked in _parts(open_days, _OPEN_AT_ONCE):
            left.update(self._all_of(asked))
        return days - left

    def _first_hits(self, asked: UserDays, most: Mapping[str, int]) -> Iterable[Row]:
        arms = [
            f"SELECT * FROM (SELECT number, event, user_id, day FROM {self._by_user}"
            f" WHERE {_around(place)} LIMIT :most{place}) AS t{place}"
            for place in range(len(asked))
        ]
        parameters = self._parameters(asked)
        parameters |= {f"most{place}": most[user] for place, user in enumerate(asked)}
        return self._rows(arms, parameters)

    def _hits_around(self, asked: UserDays, most: int) -> dict[str, int]:
        """Return how many hits each user has around their days, or ``most``."""
        arms = [
            f"SELECT {place} AS place, COUNT(*) AS looked FROM (SELECT number FROM {self._by_user}"
            f" WHERE {_around(place)} LIMIT :most) AS t{place}"
            for place in range(len(asked))
        ]
        parameters = self._parameters(asked)
        parameters["most"] = most
        rows = self._rows(arms, parameters)
        looked = {int(place or 0): int(hits or 0) for place, hits in rows}
        return {user: looked[place] for place, user in enumerate(asked)}

    def _all_of(self, asked: UserDays) -> Iterator[Row]:
        arms: list[str] = []
        parameters = self._parameters(asked)
        for place, days in enumerate(asked.values()):
            which = f"FROM {self._by_user} WHERE {_around(place)}"
            events = {str(day[_EVENT]) for day in days}
            if ANY_EVENT in events:
                arms.append(f"SELECT DISTINCT '' AS event, user_id, day {which}")
            if named := sorted(events - {ANY_EVENT}):
                given = {f"event{place}_{n}": event for n, event in enumerate(named)}
                parameters |= given
                listed = ", ".join(f":{name}" for name in given)
                arms.append(f"SELECT DISTINCT event, user_id, day {which} AND event IN ({listed})")
        for event, user, day in self._rows(arms, parameters):
            yield self._app_id, event, user, day

    def _parameters(self, asked: UserDays) -> _Parameters:
        parameters: _Parameters = {"app_id": self._app_id}
        for place, (user, days) in enumerate(asked.items()):
            since, until = _moments_of(days)
            parameters |= {f"user{place}": user, f"since{place}": since, f"until{place}": until}
        return parameters

    def _rows(self, arms: Sequence[str], parameters: _Parameters) -> Iterator[Row]:
        for row in self._connection.execute(text(" UNION ALL ".join(arms)), parameters):
            yield tuple(row)


def with_any_event(days: Iterable[Row]) -> Set[Row]:
    """Return ``days``, and the same of any event."""
    return {
        (app_id, each, user_id, day)
        for app_id, event, user_id, day in days
        for each in (event, ANY_EVENT)
    }


def by_user(days: Iterable[Row]) -> dict[str, Set[Row]]:
    """Return ``days`` by their user."""
    found: defaultdict[str, set[Row]] = defaultdict(set)
    for day in days:
        found[str(day[_USER])].add(day)
    return dict(found)


def _parts(days: UserDays, size: int) -> Iterator[UserDays]:
    items = iter(days.items())
    while part := dict(islice(items, size)):
        yield part


def _around(place: int) -> str:
    return (
        f"app_id = :app_id AND user_id = :user{place}"
        f" AND at BETWEEN :since{place} AND :until{place} AND is_bot = 0"
    )


def _moments_of(days: Collection[Row]) -> tuple[int, int]:
    """Return what ``days`` lie between, in ms since 1970, in whatever time zone they were made.

    A day more at either end, as zones are up to 14 hours from UTC, and clocks are put back.
    """
    numbers = [int(day[_DAY] or 0) for day in days]
    return (min(numbers) - 1) * _DAY_MS, (max(numbers) + 2) * _DAY_MS
