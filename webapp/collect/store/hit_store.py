"""The destination of hits: the database, which gets them and what they add up to in one commit."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError

from logger_lib.sql_errors import is_about_a_row, reason
from logger_lib.sql_packet import TOO_LARGE, PacketLimit
from webapp.collect.hit import Hit
from webapp.collect.policies import AppPolicies
from webapp.collect.store.derived import Values, values_of
from webapp.collect.store.hit_sql import Dialect
from webapp.collect.store.hit_writing import HitWriting, ZoneChanged
from webapp.collect.store.known_days import KnownDays
from webapp.collect.store.mysql_rows import literal_size
from webapp.collect.store.user_agents import UserAgents
from webapp.errors import Unavailable
from webapp.storage.database import Database

Refusal: TypeAlias = tuple[Hit, str]
"""A hit that can never be written, and why."""

Writable: TypeAlias = tuple[Hit, Values]
"""A hit and its row."""

TRIES = 4
"""How often rows are made of a batch while the time zones of its apps are being changed."""


class HitStore:
    """Writes hits in batches, each in one transaction with all that it changes in the sums.

    A hit whose app has another one with its message id is left out, so that what was written may be
    written again. Writers of one app take turns, by its row of ``hit_version``.
    """

    def __init__(
        self, database: Database, policies: AppPolicies, agents: UserAgents | None = None
    ) -> None:
        self._database = database
        self._policies = policies
        self._agents = agents or UserAgents()
        self._packet = PacketLimit(database.engine, literal_size)
        self._writing = HitWriting(Dialect(database.engine.dialect.name))

    @property
    def known_days(self) -> KnownDays:
        """Which days of users it does not write again."""
        return self._writing.known_days

    def write(self, batch: Sequence[Hit]) -> Sequence[Refusal]:
        """Write ``batch``; return what can never be written, and why.

        Raises ``Unavailable``, or what the database says, where nothing is known to be written.
        """
        for _ in range(TRIES):
            zones = {app: self._policies.of(app).time_zone for app in {hit.app_id for hit in batch}}
            writable, refusals = self._rows_of(batch, zones)
            try:
                return [*refusals, *self._insert(writable, zones)]
            except ZoneChanged as changed:
                for app_id in changed.apps:
                    self._policies.forget(app_id)
        raise Unavailable("The time zone of an app changes all the time. Try again in a moment.")

    def _rows_of(
        self, batch: Sequence[Hit], zones: Mapping[str, ZoneInfo]
    ) -> tuple[list[Writable], list[Refusal]]:
        writable: list[Writable] = []
        refusals: list[Refusal] = []
        self._agents.begin_batch()
        for hit in batch:
            try:
                writable.append((hit, values_of(hit, zones[hit.app_id], self._agents)))
            except (ValueError, TypeError, OverflowError, OSError) as error:
                refusals.append((hit, f"it cannot be stored: {error}"))
        return writable, refusals

    def _insert(self, writable: list[Writable], zones: Mapping[str, ZoneInfo]) -> list[Refusal]:
        """Insert and return what can never be; raises for what may be tried again."""
        if not writable:
            return []
        # Made here and not in the transaction, which on SQLite would hold the event loop up.
        batch = self._writing.batch_of([values for _, values in writable], zones)
        try:
            days = self._database.run(lambda each: self._writing.write(each.connection(), batch))
        except (DBAPIError, Unavailable) as error:
            refusal = self._refusal(error, writable)
            if refusal is None:
                raise
            if len(writable) == 1:
                return [(writable[0][0], refusal)]
        else:
            self.known_days.learn(days)
            return []
        # One row that the database cannot hold must not take the others with it.
        middle = len(writable) // 2
        return [*self._insert(writable[:middle], zones), *self._insert(writable[middle:], zones)]

    def _refusal(self, error: DBAPIError | Unavailable, writable: Sequence[Writable]) -> str | None:
        """Return why a row of the batch can never be written; None: it may be tried again."""
        cause = error.__cause__ if isinstance(error, Unavailable) else error
        if not isinstance(cause, DBAPIError):
            return None
        if is_about_a_row(cause):
            return reason(cause)
        rows = [row for _, row in writable]
        return TOO_LARGE if self._packet.is_passed_by(rows, cause) else None
