"""API keys: issued once, kept as a digest, revoked for ever."""

import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from logger_lib.offload import inline
from tests.access.conftest import Clock, Offloading
from webapp.access import keys as keys_module
from webapp.access.apps import MAX_APPS, AppDetails
from webapp.access.first_key import first_key
from webapp.access.keys import ApiKeys, IssuedKey
from webapp.access.scopes import Scope, ScopesInvalid, format_scopes, parse_scopes
from webapp.access.tokens import KeySigner
from webapp.errors import LimitReached, NotFound, ValidationFailed
from webapp.storage.database import Database
from webapp.users.users import Identity, Users

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


def test_names_are_told_apart(any_database: Database, signer: KeySigner) -> None:
    """On each database apps whose names differ in a capital letter are different apps."""
    keys = ApiKeys(any_database, signer)
    ids = [keys.apps.ensure(name) for name in ("Shop", "shop", "Shóp", "Shop")]
    assert len(set(ids)) == 3
    assert ids[0] == ids[3]
    for nothing in ("SHOP", "\0", "\udcff", ""):
        with pytest.raises(NotFound):
            keys.apps.find(nothing)
        with pytest.raises(NotFound):
            keys.revoke(nothing)


def test_no_key_hides_behind_others(
    any_database: Database, signer: KeySigner, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A good key is listed however many came after it; of those that ended the last are kept."""
    monkeypatch.setattr(keys_module, "_MOST_LISTED", 5)
    monkeypatch.setattr(keys_module, "MOST_ENDED", 8)
    keys = ApiKeys(any_database, signer, clock)
    good = keys.issue("shop", _READ).key
    first = keys.issue("shop", _READ).key
    tomorrow = datetime.fromtimestamp(clock.now, UTC) + timedelta(days=1)
    expired = keys.issue("shop", _READ, expires=tomorrow).key
    other = keys.issue("blog", _READ).key
    keys.revoke(other.id)
    keys.revoke(first.id)
    clock.now += 2 * 86_400
    ended = []
    for _ in range(9):
        clock.now += 1
        ended.append(keys.issue("shop", _READ).key.id)
        keys.revoke(ended[-1])
    assert [key.id for key in keys.list_for(good.app_id)] == [good.id, *ended[-4:]]
    kept = [key.id for key in keys.list_keys("shop")]
    assert kept == [good.id, *ended]  # the last one was issued when there were eight
    assert (keys.find(first.id), keys.find(expired.id)) == (None, None)
    assert keys.find(other.id) is not None


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


def _at_once(calls: int, call: Callable[[int], AppDetails | IssuedKey]) -> int:
    """Make so many calls at the same moment; return how many were refused by a limit."""
    barrier, refused = threading.Barrier(calls), []

    def make(number: int) -> None:
        barrier.wait(10)
        try:
            call(number)
        except LimitReached:
            refused.append(number)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(refused)


def test_limits_hold_for_calls_at_once(any_database: Database, signer: KeySigner) -> None:
    """On each database, of calls at the same moment as many get an app, or a key, as there may be.

    Another owner, and another app, is not concerned.
    """
    keys = ApiKeys(any_database, signer)
    users = Users(any_database)
    ada, bob = (users.sign_in(Identity("https://i.example", name)).id for name in ("ada", "bob"))
    app = keys.apps.register("first", "", ada)
    for number in range(MAX_APPS - 4):
        keys.apps.register(f"app {number}", "", ada)
    assert _at_once(8, lambda number: keys.apps.register(f"new {number}", "", ada)) == 5
    assert len(keys.apps.list_of(ada)) == MAX_APPS
    assert _at_once(8, lambda _: keys.issue_for(app.id, _READ, most=3)) == 5
    assert len(keys.list_for(app.id)) == 3
    keys.issue_for(keys.apps.register("first", "", bob).id, _READ, most=1)


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
