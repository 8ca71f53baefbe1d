"""API keys: issued once, kept as a digest, revoked for ever."""

import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from logger_lib.offload import inline
from tests.access.conftest import Clock, Offloading
from webapp.access.first_key import first_key
from webapp.access.keys import ApiKeys, IssuedKey
from webapp.access.scopes import Scope, ScopesInvalid, format_scopes, parse_scopes
from webapp.access.tokens import KeySigner
from webapp.errors import NotFound, ValidationFailed
from webapp.storage.database import Database

_READ = frozenset({Scope.READ})


def test_the_life_of_a_key(any_database: Database, signer: KeySigner, clock: Clock) -> None:
    """On each database a key is issued, found, listed, used and revoked once."""
    keys = ApiKeys(any_database, signer, clock)
    now = datetime.fromtimestamp(clock.now, UTC)
    ends = now + timedelta(days=1, microseconds=5)
    issued = keys.issue("shop", frozenset({Scope.READ, Scope.PUBLISH}), "backend", ends)
    other = keys.issue("blog", _READ)
    key = issued.key
    assert signer.verify(issued.token).key_id == key.id
    assert (key.app_name, key.name) == ("shop", "backend")
    assert key.scopes == {Scope.READ, Scope.PUBLISH}
    assert (key.created_at, key.expires_at) == (now, now + timedelta(days=1))
    assert key.last_four == issued.token[-4:]
    assert keys.find(key.id) == key
    assert keys.find("nothing") is None
    assert keys.list_keys() == (key, other.key)
    assert keys.list_keys("blog") == (other.key,)
    keys.record_use({key.id: now})
    keys.record_use({})
    assert keys.revoke(key.id) is True
    assert keys.revoke(key.id) is False
    found = keys.find(key.id)
    assert found is not None
    assert (found.revoked_at, found.last_used_at) == (now, now)


def test_the_token_is_not_kept_nor_shown(keys: ApiKeys) -> None:
    """What is stored and what is printed of a key does not give its token away."""
    issued = keys.issue("shop", _READ)
    assert issued.token not in str(asdict(issued.key))
    assert issued.token not in repr(issued)
    assert issued.key.digest not in repr(issued)


def test_what_does_not_exist_is_named(keys: ApiKeys) -> None:
    """An unknown key or app is an error that says where to look."""
    with pytest.raises(NotFound, match="no key 'nothing'"):
        keys.revoke("nothing")
    with pytest.raises(NotFound, match="no app 'nothing'"):
        keys.list_keys("nothing")


def test_arguments_are_checked(keys: ApiKeys, clock: Clock) -> None:
    """A key has a scope, an end that is to come and names of one line; the argument is named."""
    now = datetime.fromtimestamp(clock.now, UTC)
    calls: dict[str, Callable[[], str | IssuedKey]] = {
        "scopes": lambda: keys.issue("shop", frozenset()),
        "expires": lambda: keys.issue("shop", _READ, expires=now),
        "name": lambda: keys.issue("shop", _READ, "two\nlines"),
        "app_name": lambda: keys.issue("x" * 101, _READ),
    }
    for argument, call in calls.items():
        with pytest.raises(ValidationFailed) as caught:
            call()
        assert list(caught.value.fields or {}) == [argument]


def test_an_app_is_made_once(keys: ApiKeys) -> None:
    """The same name is the same app."""
    assert keys.apps.ensure("shop") == keys.apps.ensure("shop")
    with pytest.raises(ValidationFailed):
        keys.apps.ensure(" shop")


def test_an_app_that_appears_meanwhile_counts(
    keys: ApiKeys, database: Database, offloading: Offloading, signer: KeySigner
) -> None:
    """Where another process makes the app between the look and the insert, that one is taken."""
    made: list[str] = []
    other = ApiKeys(Database(str(database.engine.url), inline), signer)
    looks: list[int] = []

    def before() -> None:
        looks.append(1)
        if len(looks) == 2:
            made.append(other.apps.ensure("shop"))

    offloading.before = before
    assert [keys.apps.ensure("shop")] == made
    other._database.close()


def test_the_first_key_is_made_once(keys: ApiKeys, signer: KeySigner) -> None:
    """The first start gets a key with every scope; no later one does, though it be revoked."""
    token = first_key(keys)
    assert token is not None
    assert signer.verify(token).scopes == set(Scope)
    assert first_key(keys) is None
    keys.revoke(signer.verify(token).key_id)
    assert first_key(keys) is None
    assert [key.app_name for key in keys.list_keys()] == ["default"]


def test_of_starts_at_once_one_makes_the_first_key(
    any_database: Database, signer: KeySigner
) -> None:
    """Starts at the same moment make one key between them."""
    keys = ApiKeys(any_database, signer)
    barrier = threading.Barrier(4)
    tokens: list[str | None] = []

    def start() -> None:
        barrier.wait()
        tokens.append(first_key(keys))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 4
    assert len([token for token in tokens if token]) == len(keys.list_keys()) == 1


def test_scopes_are_read_and_written() -> None:
    """A comma list of scopes, in any order and spacing, is written back in one order."""
    scopes = parse_scopes(" subscribe,publish ,publish,")
    assert scopes == {Scope.PUBLISH, Scope.SUBSCRIBE}
    assert format_scopes(scopes) == "publish,subscribe"


@pytest.mark.parametrize(
    ("text", "said"),
    [("publish,admin", "no scope admin. Known: publish, subscribe"), (" , ", "at least one")],
)
def test_wrong_scopes_are_named(text: str, said: str) -> None:
    """The error names what is unknown and what is known."""
    with pytest.raises(ScopesInvalid, match=said):
        parse_scopes(text)
