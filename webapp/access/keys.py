"""API keys in the database: issued, listed, revoked."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import ColumnElement, and_, case, delete, func, not_, or_, select, update
from sqlalchemy.orm import Session

from logger_lib.ids import uuid7
from webapp.access.apps import Apps, require_name
from webapp.access.scopes import Scope, format_scopes, parse_scopes
from webapp.access.tokens import KeyClaims, KeySigner, digest_of
from webapp.errors import LimitReached, NotFound, ValidationFailed
from webapp.names import may_be_id
from webapp.storage.database import Database
from webapp.storage.row_lock import lock_row
from webapp.storage.tables import ApiKey, App

_MOST_LISTED = 1000
MOST_ENDED = 900
"""How many revoked and expired keys of an app are kept, those that ended last: beside the good ones
that one may have over HTTP all of them are listed."""

_MOST_DELETED = 1000
_ASKED_AT_ONCE = 1000
"""Every database takes as many values in one query."""


@dataclass(frozen=True, slots=True)
class KeyDetails:
    """What is known of an issued key. The token is not: it is shown when the key is issued."""

    id: str
    app_id: str
    app_name: str
    owner_id: str
    name: str
    scopes: frozenset[Scope]
    last_four: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    digest: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with its token."""

    token: str = field(repr=False)
    key: KeyDetails


class ApiKeys:
    """The API keys of all apps. Every method raises ``Unavailable`` where the database is down."""

    def __init__(
        self, database: Database, signer: KeySigner, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._signer = signer
        self._clock = clock
        self.apps = Apps(database, clock)

    def issue(
        self,
        app_name: str,
        scopes: frozenset[Scope],
        name: str = "",
        expires: datetime | None = None,
    ) -> IssuedKey:
        """Issue a key for the operator's app of that name, which is made if there is none.

        Raises what ``issue_for`` does, and ``ValidationFailed`` for a name that no app can have.
        """
        self._require_arguments(scopes, name, expires)
        return self.issue_for(self.apps.ensure(app_name), scopes, name, expires)

    def issue_for(
        self,
        app_id: str,
        scopes: frozenset[Scope],
        name: str = "",
        expires: datetime | None = None,
        *,
        most: int | None = None,
    ) -> IssuedKey:
        """Issue a key for an app.

        Raises ``ValidationFailed`` by argument for a name that cannot be shown on one line, no
        scopes, and an ``expires`` that is past; ``LimitReached`` where ``most`` keys of the app
        are good already.
        """
        self._require_arguments(scopes, name, expires)
        token, row = self.draft(app_id, scopes, name, expires)

        def add(session: Session) -> KeyDetails:
            if most is not None:
                lock_row(session, App, app_id)
                if _count_good(session, app_id, row.created_at) >= most:
                    raise LimitReached(f"The app has {most} good keys: revoke one before.")
            _delete_long_ended(session, app_id, row.created_at)
            return add_key(session, row)

        return IssuedKey(token, self._database.run(add))

    def issue_first(
        self, app_name: str, scopes: frozenset[Scope], name: str = ""
    ) -> IssuedKey | None:
        """Issue a key if the operator's app, made if need be, never had one.

        Of two processes that try, one does it.
        """
        self._require_arguments(scopes, name, None)
        token, row = self.draft(self.apps.ensure(app_name), scopes, name, None)
        key = self._database.run(lambda session: _add_first_key(session, row))
        return None if key is None else IssuedKey(token, key)

    def list_keys(self, app_name: str | None = None) -> tuple[KeyDetails, ...]:
        """Return the keys of one app of the operator or of all apps of everybody, oldest first.

        The revoked and expired ones too. Raises ``NotFound`` where there is no app of that name.
        """
        app_id = None if app_name is None else self.apps.find(app_name).id
        return self._database.run(lambda session: _list(session, app_id))

    def list_for(self, app_id: str) -> tuple[KeyDetails, ...]:
        """Return at most 1,000 keys of an app, oldest first: the good ones before all others."""
        now = self._now()
        return self._database.run(lambda session: _list_good_first(session, app_id, now))

    def find(self, key_id: str) -> KeyDetails | None:
        """Return one key, or None where it was never issued."""
        if not may_be_id(key_id):
            return None
        return self._database.run(lambda session: _find(session, key_id))

    def good_among(self, key_ids: Collection[str]) -> set[str]:
        """Return those of ``key_ids`` that were issued and are neither revoked nor expired."""
        asked, now = list(key_ids), self._now()
        good: set[str] = set()
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            part = asked[start : start + _ASKED_AT_ONCE]
            good |= self._database.run(partial(_good_among, key_ids=part, now=now))
        return good

    def revoke(self, key_id: str, owner_id: str | None = None) -> bool:
        """Make a key worthless for ever; returns False where it already was.

        Raises ``NotFound`` where it was never issued, or, with an ``owner_id``, for an app of
        somebody else. Every process refuses it within 2 seconds.
        """
        key = self.find(key_id)
        if key is None or owner_id not in {None, key.owner_id}:
            raise NotFound(f"There is no key {key_id!r}. List the keys to see their ids.")
        now = self._now()
        return self._database.run(lambda session: _revoke(session, key_id, now))

    def record_use(self, used: Mapping[str, datetime]) -> None:
        """Keep when keys were last used, by key id, as ``Gate.take_used`` returns it."""
        if used:
            self._database.run(lambda session: _record_use(session, used))

    def draft(
        self, app_id: str, scopes: frozenset[Scope], name: str, expires: datetime | None
    ) -> tuple[str, ApiKey]:
        """Return the token of a new key, and its row, which is not stored yet."""
        row = ApiKey(
            id=uuid7(),
            app_id=app_id,
            name=name,
            scopes=format_scopes(scopes),
            created_at=self._now(),
            expires_at=None if expires is None else expires.replace(microsecond=0),
        )
        token = self._sign(row)
        row.digest, row.last_four = digest_of(token), token[-4:]
        return token, row

    def token_of(self, row: ApiKey) -> str | None:
        """Return the token of a key that is stored, or None where another secret has signed it.

        For a key that its holder may ask for again, as the page of a session does.
        """
        token = self._sign(row)
        return token if digest_of(token) == row.digest else None

    def _sign(self, row: ApiKey) -> str:
        claims = KeyClaims(
            key_id=row.id,
            app_id=row.app_id,
            scopes=parse_scopes(row.scopes),
            issued_at=int(row.created_at.timestamp()),
            expires_at=None if row.expires_at is None else int(row.expires_at.timestamp()),
        )
        return self._signer.sign(claims)

    def _require_arguments(
        self, scopes: frozenset[Scope], name: str, expires: datetime | None
    ) -> None:
        if not scopes:
            raise ValidationFailed("A key needs a scope.", {"scopes": ["Name at least one."]})
        if name:
            require_name("name", name)
        if expires is not None and expires <= self._now():
            raise ValidationFailed("A key cannot expire in the past.", {"expires": ["Is past."]})

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def add_key(session: Session, row: ApiKey) -> KeyDetails:
    """Store a key that was drafted."""
    session.add(row)
    session.flush()
    return details_of(row)


def _add_first_key(session: Session, row: ApiKey) -> KeyDetails | None:
    lock_row(session, App, row.app_id)
    if session.scalar(select(ApiKey.id).where(ApiKey.app_id == row.app_id).limit(1)) is not None:
        return None
    return add_key(session, row)


def _list(session: Session, app_id: str | None) -> tuple[KeyDetails, ...]:
    query = select(ApiKey).order_by(ApiKey.id)
    if app_id is not None:
        query = query.where(ApiKey.app_id == app_id)
    return tuple(details_of(row) for row in session.scalars(query))


def _list_good_first(session: Session, app_id: str, now: datetime) -> tuple[KeyDetails, ...]:
    # Whoever has stolen a key must not hide it behind those that they issue and revoke.
    ended_last = case((is_good(now), 0), else_=1)
    query = select(ApiKey).where(ApiKey.app_id == app_id).order_by(ended_last, ApiKey.id.desc())
    found = [details_of(row) for row in session.scalars(query.limit(_MOST_LISTED))]
    return tuple(sorted(found, key=lambda key: key.id))


def _delete_long_ended(session: Session, app_id: str, now: datetime) -> None:
    ended_at = func.coalesce(ApiKey.revoked_at, ApiKey.expires_at)
    ended = select(ApiKey.id).where(ApiKey.app_id == app_id, not_(is_good(now)))
    beyond = ended.order_by(ended_at.desc(), ApiKey.id.desc()).offset(MOST_ENDED)
    # Found first and deleted by id: to delete by a range would lock rows of others.
    gone = list(session.scalars(beyond.limit(_MOST_DELETED)))
    if gone:
        session.execute(delete(ApiKey).where(ApiKey.id.in_(gone)))


def _count_good(session: Session, app_id: str, now: datetime) -> int:
    # Those of sessions come and go by themselves, and have a bound of their own.
    lasting = and_(ApiKey.app_id == app_id, ApiKey.session_id.is_(None))
    good = select(func.count()).select_from(ApiKey).where(lasting, is_good(now))
    return session.scalar(good) or 0


def _find(session: Session, key_id: str) -> KeyDetails | None:
    row = session.get(ApiKey, key_id)
    return None if row is None else details_of(row)


def _good_among(session: Session, key_ids: list[str], now: datetime) -> set[str]:
    return set(session.scalars(select(ApiKey.id).where(ApiKey.id.in_(key_ids), is_good(now))))


def is_good(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a key is neither revoked nor expired."""
    in_time = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    return and_(ApiKey.revoked_at.is_(None), in_time)


def _revoke(session: Session, key_id: str, now: datetime) -> bool:
    live = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    return session.connection().execute(live.values(revoked_at=now)).rowcount == 1


def _record_use(session: Session, used: Mapping[str, datetime]) -> None:
    for key_id, moment in sorted(used.items()):
        session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=moment))


def details_of(row: ApiKey) -> KeyDetails:
    """Return what a row says."""
    return KeyDetails(
        id=row.id,
        app_id=row.app_id,
        app_name=row.app.name,
        owner_id=row.app.owner_id,
        name=row.name,
        scopes=parse_scopes(row.scopes),
        last_four=row.last_four,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        digest=row.digest,
    )
