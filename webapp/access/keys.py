"""Apps and their API keys in the database: issued, listed, revoked."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from logger_lib.ids import uuid7
from webapp.access.scopes import Scope, format_scopes, parse_scopes
from webapp.access.tokens import KeyClaims, KeySigner, digest_of
from webapp.errors import NotFound, ValidationFailed
from webapp.storage.database import Database
from webapp.storage.tables import ApiKey, App

_LONGEST_NAME = 100
_ASKED_AT_ONCE = 1000
"""Every database takes as many values in one query."""


@dataclass(frozen=True, slots=True)
class KeyDetails:
    """What is known of an issued key. The token is not: it is shown once, when it is issued."""

    id: str
    app_id: str
    app_name: str
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
    """A key that was just issued, with its token: nobody can show that again."""

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

    def ensure_app(self, name: str) -> str:
        """Return the id of the app of that name, made if there is none."""
        _require_name("app_name", name)
        known = self._app_id(name)
        if known is not None:
            return known
        made = App(id=uuid7(), name=name, created_at=self._now())
        try:
            return self._database.run(lambda session: _add_app(session, made))
        except IntegrityError:
            # Another process made it since the look; unless it is gone again, that one counts.
            made_elsewhere = self._app_id(name)
            if made_elsewhere is None:
                raise
            return made_elsewhere

    def find_app(self, name: str) -> str:
        """Return the id of the app of that name; raises ``NotFound`` where there is none."""
        known = self._app_id(name)
        if known is None:
            raise NotFound(f"There is no app {name!r}. List all keys to see the apps.")
        return known

    def issue(
        self,
        app_name: str,
        scopes: frozenset[Scope],
        name: str = "",
        expires: datetime | None = None,
    ) -> IssuedKey:
        """Issue a key for an app, which is made if there is none of that name.

        Raises ``ValidationFailed`` by argument for names that cannot be shown on one line, no
        scopes, and an ``expires`` that is past.
        """
        self._require_arguments(scopes, name, expires)
        app_id = self.ensure_app(app_name)
        token, row = self._draft(app_id, scopes, name, expires)
        return IssuedKey(token, self._database.run(lambda session: _add_key(session, row)))

    def issue_first(
        self, app_name: str, scopes: frozenset[Scope], name: str = ""
    ) -> IssuedKey | None:
        """Issue a key if the app, made if need be, never had one; of two processes one does it."""
        self._require_arguments(scopes, name, None)
        token, row = self._draft(self.ensure_app(app_name), scopes, name, None)
        key = self._database.run(lambda session: _add_first_key(session, row))
        return None if key is None else IssuedKey(token, key)

    def list_keys(self, app_name: str | None = None) -> tuple[KeyDetails, ...]:
        """Return the keys of one app or of all, oldest first, the revoked and expired ones too.

        Raises ``NotFound`` where there is no app of that name.
        """
        if app_name is not None:
            self.find_app(app_name)
        return self._database.run(lambda session: _list(session, app_name))

    def find(self, key_id: str) -> KeyDetails | None:
        """Return one key, or None where it was never issued."""
        return self._database.run(lambda session: _find(session, key_id))

    def good_among(self, key_ids: Collection[str]) -> set[str]:
        """Return those of ``key_ids`` that were issued and are neither revoked nor expired."""
        asked, now = list(key_ids), self._now()
        good: set[str] = set()
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            part = asked[start : start + _ASKED_AT_ONCE]
            good |= self._database.run(partial(_good_among, key_ids=part, now=now))
        return good

    def revoke(self, key_id: str) -> bool:
        """Make a key worthless for ever; returns False where it already was.

        Raises ``NotFound`` where it was never issued. Every process refuses it within 2 seconds.
        """
        now = self._now()
        revoked = self._database.run(lambda session: _revoke(session, key_id, now))
        if not revoked and self.find(key_id) is None:
            raise NotFound(f"There is no key {key_id!r}. List the keys to see their ids.")
        return revoked

    def record_use(self, used: Mapping[str, datetime]) -> None:
        """Keep when keys were last used, by key id, as ``Gate.take_used`` returns it."""
        if used:
            self._database.run(lambda session: _record_use(session, used))

    def _draft(
        self, app_id: str, scopes: frozenset[Scope], name: str, expires: datetime | None
    ) -> tuple[str, ApiKey]:
        now = self._now()
        ends = None if expires is None else expires.replace(microsecond=0)
        claims = KeyClaims(
            key_id=uuid7(),
            app_id=app_id,
            scopes=scopes,
            issued_at=int(now.timestamp()),
            expires_at=None if ends is None else int(ends.timestamp()),
        )
        token = self._signer.sign(claims)
        row = ApiKey(
            id=claims.key_id,
            app_id=app_id,
            name=name,
            scopes=format_scopes(scopes),
            digest=digest_of(token),
            last_four=token[-4:],
            created_at=now,
            expires_at=ends,
        )
        return token, row

    def _require_arguments(
        self, scopes: frozenset[Scope], name: str, expires: datetime | None
    ) -> None:
        if not scopes:
            raise ValidationFailed("A key needs a scope.", {"scopes": ["Name at least one."]})
        if name:
            _require_name("name", name)
        if expires is not None and expires <= self._now():
            raise ValidationFailed("A key cannot expire in the past.", {"expires": ["Is past."]})

    def _app_id(self, name: str) -> str | None:
        return self._database.run(
            lambda session: session.scalar(select(App.id).where(App.name == name))
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def _require_name(argument: str, name: str) -> None:
    if not (0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()):
        raise ValidationFailed(
            "A name is one line of text.",
            {
                argument: [
                    f"Must have 1 to {_LONGEST_NAME} printable characters, none blank at an end."
                ]
            },
        )


def _add_app(session: Session, row: App) -> str:
    session.add(row)
    session.flush()
    return row.id


def _add_key(session: Session, row: ApiKey) -> KeyDetails:
    session.add(row)
    session.flush()
    return _details(row)


def _add_first_key(session: Session, row: ApiKey) -> KeyDetails | None:
    # An update locks the app's row in every database, so that two processes go one by one.
    session.execute(update(App).where(App.id == row.app_id).values(name=App.name))
    if session.scalar(select(ApiKey.id).where(ApiKey.app_id == row.app_id).limit(1)) is not None:
        return None
    return _add_key(session, row)


def _list(session: Session, app_name: str | None) -> tuple[KeyDetails, ...]:
    query = select(ApiKey).order_by(ApiKey.id)
    if app_name is not None:
        query = query.where(ApiKey.app.has(App.name == app_name))
    return tuple(_details(row) for row in session.scalars(query))


def _find(session: Session, key_id: str) -> KeyDetails | None:
    row = session.get(ApiKey, key_id)
    return None if row is None else _details(row)


def _good_among(session: Session, key_ids: list[str], now: datetime) -> set[str]:
    in_time = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
    asked = select(ApiKey.id).where(ApiKey.id.in_(key_ids), ApiKey.revoked_at.is_(None), in_time)
    return set(session.scalars(asked))


def _revoke(session: Session, key_id: str, now: datetime) -> bool:
    live = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    return session.connection().execute(live.values(revoked_at=now)).rowcount == 1


def _record_use(session: Session, used: Mapping[str, datetime]) -> None:
    for key_id, moment in sorted(used.items()):
        session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=moment))


def _details(row: ApiKey) -> KeyDetails:
    return KeyDetails(
        id=row.id,
        app_id=row.app_id,
        app_name=row.app.name,
        name=row.name,
        scopes=parse_scopes(row.scopes),
        last_four=row.last_four,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        digest=row.digest,
    )
