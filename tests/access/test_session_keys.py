"""The keys of sessions: one for all pages of an app, and the next one in time."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.access.conftest import SECRET, Clock
from webapp.access.keys import ApiKeys
from webapp.access.scopes import Scope
from webapp.access.session_keys import LEAST_LEFT, SessionKey, SessionKeys
from webapp.access.tokens import KeySigner
from webapp.errors import Unauthorized
from webapp.storage.database import Database
from webapp.users.live_sessions import LIFETIME_SECONDS, LiveSession, LiveSessions
from webapp.users.users import Identity, Users

HOUR = timedelta(hours=1)
READ = frozenset({Scope.READ})


class Page:
    """A page of somebody who has signed in, which asks for its key for an hour."""

    def __init__(self, database: Database, signer: KeySigner, clock: Clock) -> None:
        self._keys = SessionKeys(ApiKeys(database, signer, clock), database)
        self._clock = clock
        self.sessions = LiveSessions(database, clock)
        self.live: LiveSession = self.sessions.begin(
            Users(database).sign_in(Identity("https://issuer.example", "ada"))
        )
        self.app_id = ApiKeys(database, signer, clock).apps.ensure("shop")

    def ask(self, scopes: frozenset[Scope] = READ) -> SessionKey:
        """Return what the page is given now."""
        ends_at = min(datetime.fromtimestamp(self._clock.now, UTC) + HOUR, self.live.ends_at)
        return self._keys.key_for(self.app_id, self.live.id, scopes, "page", ends_at)


@pytest.fixture
def page(any_database: Database, signer: KeySigner, clock: Clock) -> Page:
    return Page(any_database, signer, clock)


def test_the_next_one_is_issued_in_time(page: Page, clock: Clock, signer: KeySigner) -> None:
    """One that is good for a quarter of an hour or longer is given again, letter by letter."""
    first = page.ask()
    clock.now += (HOUR - LEAST_LEFT).total_seconds()
    again = page.ask()
    assert (first.is_new, again.is_new) == (True, False)
    assert again.issued == first.issued
    clock.now += 1
    following = page.ask()
    assert following.is_new
    assert signer.verify(following.issued.token).key_id == following.issued.key.id
    assert page.ask().issued == following.issued


def test_the_last_one_ends_with_the_session(page: Page, clock: Clock) -> None:
    """In its last minutes no other could last longer, so that none is issued for each look."""
    clock.now += LIFETIME_SECONDS - 600
    last = page.ask()
    clock.now += 500
    assert page.ask().issued == last.issued
    page.sessions.end(page.live.id)
    with pytest.raises(Unauthorized, match="sign in again"):
        page.ask()


def test_another_key_does_not_do(
    page: Page, any_database: Database, signer: KeySigner, clock: Clock
) -> None:
    """One of other scopes, that was revoked, or that a former secret has signed."""
    first = page.ask()
    wider = page.ask(READ | {Scope.PUBLISH})
    assert wider.is_new
    ApiKeys(any_database, signer, clock).revoke(first.issued.key.id)
    second = page.ask()
    assert second.is_new
    rotated = SessionKeys(
        ApiKeys(any_database, KeySigner(f"another {SECRET}", clock), clock), any_database
    )
    later = datetime.fromtimestamp(clock.now, UTC) + HOUR
    assert rotated.key_for(page.app_id, page.live.id, READ, "page", later).is_new
