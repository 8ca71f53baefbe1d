"""Keys that pages call with while somebody is signed in: they end with the sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, not_, select
from sqlalchemy.orm import Session

from webapp.access.keys import ApiKeys, IssuedKey, add_key, details_of, is_good
from webapp.access.scopes import Scope
from webapp.errors import Unauthorized
from webapp.storage.database import Database
from webapp.storage.row_lock import lock_row
from webapp.storage.tables import ApiKey, App, UserSession

LEAST_LEFT = timedelta(minutes=15)
"""How long the key of a session is good that another page of it is given; else it has a new one."""

_MOST_DELETED = 1000


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The key of a session; ``is_new`` where it was just issued."""

    issued: IssuedKey
    is_new: bool


class SessionKeys:
    """Issues them. Whoever ends a session revokes what was issued in it.

    All pages of a session call with the same key of an app, so that reloading one, or opening many,
    issues no more: it is signed again from what is stored. Within the last 15 minutes of one the
    next is issued, so that a session has two good ones of an app at most.
    """

    def __init__(self, keys: ApiKeys, database: Database) -> None:
        self._keys = keys
        self._database = database

    def key_for(
        self,
        app_id: str,
        session_id: str,
        scopes: frozenset[Scope],
        name: str,
        expires: datetime,
    ) -> SessionKey:
        """Return the session's key of an app, issued where there is none, or hardly for longer.

        Those of the app that have ended are forgotten: the audit trail has them. Raises
        ``Unauthorized`` where the session is over, and ``Unavailable``.
        """
        token, row = self._keys.draft(app_id, scopes, name, expires)
        row.session_id = session_id
        least = min(expires.replace(microsecond=0), row.created_at + LEAST_LEFT)

        def find_or_add(session: Session) -> SessionKey:
            # One at a time: two pages that begin at once have the same key too.
            lock_row(session, App, app_id)
            if session.get(UserSession, session_id) is None:
                raise Unauthorized("The session has ended meanwhile: sign in again.")
            return self._find(session, row, least) or self._add(session, row, token)

        return self._database.run(find_or_add)

    def _find(self, session: Session, wanted: ApiKey, least: datetime) -> SessionKey | None:
        good = select(ApiKey).where(
            ApiKey.app_id == wanted.app_id,
            ApiKey.session_id == wanted.session_id,
            ApiKey.scopes == wanted.scopes,
            ApiKey.expires_at >= least,
            is_good(wanted.created_at),
        )
        row = session.scalar(good.order_by(ApiKey.expires_at.desc()).limit(1))
        token = None if row is None else self._keys.token_of(row)
        if row is None or token is None:
            return None
        return SessionKey(IssuedKey(token, details_of(row)), is_new=False)

    def _add(self, session: Session, row: ApiKey, token: str) -> SessionKey:
        _delete_ended(session, row.app_id, row.created_at)
        return SessionKey(IssuedKey(token, add_key(session, row)), is_new=True)


def _delete_ended(session: Session, app_id: str, now: datetime) -> None:
    ended = select(ApiKey.id).where(
        ApiKey.app_id == app_id, ApiKey.session_id.is_not(None), not_(is_good(now))
    )
    # Found first and deleted by id: to delete by a range would lock rows of others.
    gone = list(session.scalars(ended.limit(_MOST_DELETED)))
    if gone:
        session.execute(delete(ApiKey).where(ApiKey.id.in_(gone)))
