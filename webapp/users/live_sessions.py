"""Who is signed in, in the database: what ends there is over everywhere, at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from logger_lib.ids import uuid7
from webapp.storage.database import Database
from webapp.storage.tables import ApiKey, LoginLink, User, UserSession
from webapp.users.users import UserDetails, details_of

LIFETIME_SECONDS = 8 * 3600
MAX_SESSIONS = 100
"""How many a user may have; the oldest one ends where there would be more."""

_MOST_DELETED = 1000


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A user who has signed in, and until when. Cookie and user tokens of the sign-in name it."""

    id: str
    user: UserDetails
    ends_at: datetime


class LiveSessions:
    """The sessions of all users, each good for eight hours from its sign-in.

    With a session end the keys that were issued in it, for its pages.

    Every method raises ``Unavailable`` where the database is down.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def begin(self, user: UserDetails, replaced_id: str | None = None) -> LiveSession:
        """Return a new session of ``user``; that of ``replaced_id`` is over."""
        now = self._now()
        live = LiveSession(uuid7(), user, now + timedelta(seconds=LIFETIME_SECONDS))
        self._database.run(lambda session: _begin(session, live, now, replaced_id))
        return live

    def find(self, session_id: str) -> LiveSession | None:
        """Return one session, or None where there is none of that id any more."""
        now = self._now()
        return self._database.run(lambda session: _find(session, session_id, now))

    def end(self, session_id: str) -> None:
        """End one session, with the user tokens that it has given out."""
        now = self._now()
        self._database.run(lambda session: _delete(session, [session_id], now))

    def end_all(self, user_id: str) -> int:
        """End all sessions of a user, and links that would begin one; return how many ended."""
        now = self._now()
        return self._database.run(lambda session: _end_all(session, user_id, now))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def _begin(session: Session, live: LiveSession, now: datetime, replaced_id: str | None) -> None:
    over = select(UserSession.id).where(UserSession.ends_at <= now).limit(_MOST_DELETED)
    beyond = (
        select(UserSession.id)
        .where(UserSession.user_id == live.user.id)
        .order_by(UserSession.id.desc())
        .offset(MAX_SESSIONS - 1)
        .limit(_MOST_DELETED)
    )
    # Found first and deleted by id: to delete by a range would lock rows of other sign-ins.
    gone = {*session.scalars(over), *session.scalars(beyond)}
    _delete(session, [*gone, *([replaced_id] if replaced_id else [])], now)
    session.add(UserSession(id=live.id, user_id=live.user.id, created_at=now, ends_at=live.ends_at))


def _find(session: Session, session_id: str, now: datetime) -> LiveSession | None:
    query = (
        select(User, UserSession.ends_at)
        .join(UserSession, UserSession.user_id == User.id)
        .where(UserSession.id == session_id, UserSession.ends_at > now)
    )
    found = session.execute(query).one_or_none()
    return None if found is None else LiveSession(session_id, details_of(found[0]), found[1])


def _delete(session: Session, session_ids: list[str], now: datetime) -> None:
    if session_ids:
        _revoke_keys(session, ApiKey.session_id.in_(sorted(session_ids)), now)
        session.execute(delete(UserSession).where(UserSession.id.in_(sorted(session_ids))))


def _revoke_keys(session: Session, of_sessions: ColumnElement[bool], now: datetime) -> None:
    good = update(ApiKey).where(of_sessions, ApiKey.revoked_at.is_(None))
    session.execute(good.values(revoked_at=now))


def _end_all(session: Session, user_id: str, now: datetime) -> int:
    own = select(UserSession.id).where(UserSession.user_id == user_id)
    _revoke_keys(session, ApiKey.session_id.in_(own), now)
    session.execute(delete(LoginLink).where(LoginLink.user_id == user_id))
    mine = delete(UserSession).where(UserSession.user_id == user_id)
    return session.connection().execute(mine).rowcount
