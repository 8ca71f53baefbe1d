"""Links that sign in once: for a Herald without an issuer, and for whoever has its shell."""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webapp.storage.database import Database
from webapp.storage.tables import OPERATOR_ID, LoginLink

LIFETIME_SECONDS = 900
_BYTES = 32


class LoginLinks:
    """Makes links below ``base_url`` and takes each once. Only its SHA-256 is in the database.

    Every method raises ``Unavailable`` where the database is down.
    """

    def __init__(
        self, database: Database, base_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._base_url = base_url
        self._clock = clock

    def make(self, user_id: str = OPERATOR_ID) -> str:
        """Return a link that signs in, once, within 15 minutes, by the code behind its #."""
        token = secrets.token_urlsafe(_BYTES)
        now = self._now()
        expires_at = now + timedelta(seconds=LIFETIME_SECONDS)
        row = LoginLink(digest=_digest_of(token), user_id=user_id, expires_at=expires_at)
        self._database.run(lambda session: _add(session, row, now))
        return f"{self._base_url}/auth/login#{token}"

    def use(self, token: str) -> str | None:
        """Return the id of the user whom the link with this token signs in.

        None where there is no such link, or none any more: of two uses one gets the user.
        """
        digest, now = _digest_of(token), self._now()
        return self._database.run(lambda session: _use(session, digest, now))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def _add(session: Session, row: LoginLink, now: datetime) -> None:
    # So that links which nobody uses do not pile up.
    session.execute(delete(LoginLink).where(LoginLink.expires_at <= now))
    session.add(row)


def _use(session: Session, digest: str, now: datetime) -> str | None:
    live = LoginLink.digest == digest, LoginLink.expires_at > now
    user_id = session.scalar(select(LoginLink.user_id).where(*live))
    # Two may see the row; the database lets one of them delete it.
    deleted = session.connection().execute(delete(LoginLink).where(*live)).rowcount == 1
    return user_id if deleted else None


def _digest_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
