"""Who was erased, so that hits of theirs that were under way then are left out.

They may have waited in Redis, in a spool or among dead letters. Whoever calls here holds the app's
row of ``hit_version``, so that no hit is written between an erasure and what it deletes.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, text

from webapp.collect.store.hit_sql import NEW, Dialect
from webapp.storage.hit_tables import ErasedUser, HitRow

KEPT_MS = 30 * 86_400_000
"""How long it is known: a dead letter that is older and sent again brings hits back."""

_KEY = ("app_id", "user_id")


class ErasedUsers:
    """The rows of ``erased_user``."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        # Never back: the call that goes on with an erasure may find a host whose clock is behind.
        later = dialect.raise_to("erased_user", _KEY, "erased_at")
        self._put = text(
            "INSERT INTO erased_user (app_id, user_id, erased_at)"
            f" VALUES (:app_id, :user_id, :erased_at) {later}"
        )
        # Found first, without a lock: among them may be new rows of others, who would wait for us.
        self._find = text(
            "SELECT number FROM hit JOIN erased_user e"
            " ON e.app_id = hit.app_id AND e.user_id = hit.user_id"
            f" WHERE {NEW} AND hit.received_at <= e.erased_at"
        )

    def add(self, connection: Connection, app_id: str, user_id: str, erased_at: int) -> None:
        """Have hits of the user that were received until ``erased_at`` left out from now on."""
        values = {"app_id": app_id, "user_id": user_id, "erased_at": erased_at}
        connection.execute(self._put, values)

    def leave_out(self, connection: Connection, new: Mapping[str, int]) -> None:
        """Delete those of the hits that are ``new``, and not counted yet, that came too late."""
        if numbers := connection.scalars(self._find, new).all():
            connection.execute(delete(HitRow).where(HitRow.number.in_(numbers)))

    @staticmethod
    def forget(connection: Connection, now: int) -> None:
        """Delete what was kept for long enough; for this no lock is needed."""
        connection.execute(delete(ErasedUser).where(ErasedUser.erased_at < now - KEPT_MS))
