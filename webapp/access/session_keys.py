"""Keys that a page calls with while somebody is signed in: they end with the sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, not_, select
from sqlalchemy.orm import Session

from webapp.access.keys import ApiKeys, IssuedKey, KeyDetails, add_key, details_of, is_good
from webapp.access.scopes import Scope
from webapp.errors import Unauthorized
from webapp.storage.database import Database
from webapp.storage.row_lock import lock_row
from webapp.storage.tables import ApiKey, App, UserSession

MAX_KEYS = 5
"""How many good ones a session has for an app, for as many pages: the oldest is revoked then."""

_MOST_DELETED = 1000


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A key that was just issued, and those that were revoked for it."""

    issued: IssuedKey
    revoked: tuple[KeyDetails, ...]


class SessionKeys:
    """Issues them. Whoever ends a session revokes what was issued in it."""

    def __init__(self, keys: ApiKeys, database: Database) -> None:
        self._keys = keys
        self._database = database

    def issue(
        self,
        app_id: str,
        session_id: str,
        scopes: frozenset[Scope],
        name: str,
        expires: datetime,
    ) -> SessionKey:
        """Return a key of an app for a session.

        Those of the app that have ended are forgotten: the audit trail has them. Raises
        ``Unauthorized`` where the session is over, and ``Unavailable``.
        """
        token, row = self._keys.draft(app_id, scopes, name, expires)
        row.session_id = session_id
        now = row.created_at

        def add(session: Session) -> tuple[KeyDetails, tuple[KeyDetails, ...]]:
            lock_row(session, App, app_id)
            if session.get(UserSession, session_id) is None:
                raise Unauthorized("The session has ended meanwhile: sign in again.")
            _delete_ended(session, app_id, now)
            revoked = _revoke_oldest(session, app_id, session_id, now)
            return add_key(session, row), revoked

        key, revoked = self._database.run(add)
        return SessionKey(IssuedKey(token, key), revoked)


def _delete_ended(session: Session, app_id: str, now: datetime) -> None:
    ended = select(ApiKey.id).where(
        ApiKey.app_id == app_id, ApiKey.session_id.is_not(None), not_(is_good(now))
    )
    # Found first and deleted by id: to delete by a range would lock rows of others.
    gone = list(session.scalars(ended.limit(_MOST_DELETED)))
    if gone:
        session.execute(delete(ApiKey).where(ApiKey.id.in_(gone)))


def _revoke_oldest(
    session: Session, app_id: str, session_id: str, now: datetime
) -> tuple[KeyDetails, ...]:
    good = select(ApiKey).where(
        ApiKey.app_id == app_id, ApiKey.session_id == session_id, is_good(now)
    )
    oldest = list(session.scalars(good.order_by(ApiKey.id.desc()).offset(MAX_KEYS - 1)))
    for row in oldest:
        row.revoked_at = now
    session.flush()
    return tuple(details_of(row) for row in oldest)
