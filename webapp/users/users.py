"""Users in the database: found or made when they sign in, by the issuer's name for them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from logger_lib.ids import uuid7
from webapp.names import may_be_id
from webapp.storage.database import Database
from webapp.storage.tables import User

LONGEST_SUBJECT = 255
_LONGEST_EMAIL = 254
_LONGEST_NAME = 200
_MOST_LISTED = 10_000
_MOST_NAMED = 1000


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an issuer says has signed in. ``subject`` is its own name for them, and never changes."""

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class UserDetails:
    """What is known of a user. ``email`` and ``name`` are as they were at the last sign-in."""

    id: str
    issuer: str
    email: str
    name: str
    created_at: datetime
    last_sign_in_at: datetime | None
    email_verified: bool


class Users:
    """All users; the operator is one of them from the start.

    Every method raises ``Unavailable`` where the database is down.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def find(self, user_id: str) -> UserDetails | None:
        """Return one user, or None where there is none of that id."""
        if not may_be_id(user_id):
            return None
        return self._database.run(lambda session: _found(session.get(User, user_id)))

    def sign_in(self, identity: Identity) -> UserDetails:
        """Return the user whom ``identity`` names, made at the first sign-in, and note this one."""
        now = self._now()
        try:
            return self._database.run(lambda session: _sign_in(session, identity, now))
        except IntegrityError:
            # Signed in twice at once for the first time: the other one has made the user.
            return self._database.run(lambda session: _sign_in(session, identity, now))

    def note_sign_in(self, user_id: str) -> None:
        """Note that a user has signed in without an issuer."""
        noted = update(User).where(User.id == user_id).values(last_sign_in_at=self._now())
        self._database.run(lambda session: session.execute(noted).close())

    def named(self, name: str) -> tuple[UserDetails, ...]:
        """Return those of this id, or e-mail address, which several issuers may know."""
        return self._database.run(lambda session: _named(session, name)) if name else ()

    def list_all(self) -> tuple[UserDetails, ...]:
        """Return the first 10,000 users, oldest first."""
        query = select(User).order_by(User.id).limit(_MOST_LISTED)
        return self._database.run(
            lambda session: tuple(details_of(row) for row in session.scalars(query))
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def _sign_in(session: Session, identity: Identity, now: datetime) -> UserDetails:
    row = _row_of(session, identity)
    if row is None:
        row = User(id=uuid7(), issuer=identity.issuer, subject=identity.subject, created_at=now)
        session.add(row)
    row.email = identity.email if len(identity.email) <= _LONGEST_EMAIL else ""
    row.email_verified = identity.email_verified
    row.name = identity.name[:_LONGEST_NAME]
    row.last_sign_in_at = now
    session.flush()
    return details_of(row)


def _named(session: Session, name: str) -> tuple[UserDetails, ...]:
    # Databases do not agree on which letters are the same ones.
    folded, ids = name.casefold(), []
    everybody = select(User.id, User.email).order_by(User.id).execution_options(yield_per=1000)
    for user_id, email in session.execute(everybody):
        if user_id == name or email.casefold() == folded:
            ids.append(user_id)
    query = select(User).where(User.id.in_(ids[:_MOST_NAMED])).order_by(User.id)
    return tuple(details_of(row) for row in session.scalars(query))


def _row_of(session: Session, identity: Identity) -> User | None:
    query = select(User).where(User.issuer == identity.issuer, User.subject == identity.subject)
    for row in session.scalars(query):
        # MySQL holds "a" and "a " to be equal: who asks as the one is never given the other.
        if (row.issuer, row.subject) == (identity.issuer, identity.subject):
            return row
    return None


def _found(row: User | None) -> UserDetails | None:
    return None if row is None else details_of(row)


def details_of(row: User) -> UserDetails:
    """Return what a row says."""
    return UserDetails(
        id=row.id,
        issuer=row.issuer,
        email=row.email,
        name=row.name,
        created_at=row.created_at,
        last_sign_in_at=row.last_sign_in_at,
        email_verified=row.email_verified,
    )
