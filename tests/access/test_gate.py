"""The gate: who is admitted, what it costs, and what happens when the database is gone."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from tests.access.conftest import Clock, Offloading
from webapp.access import gate as gate_module
from webapp.access.gate import MAX_AHEAD, PATIENCE_SECONDS, Caller, Gate, GateCounts
from webapp.access.keys import ApiKeys, IssuedKey
from webapp.access.scopes import Scope
from webapp.access.tokens import KeyClaims, KeySigner
from webapp.errors import Forbidden, Unauthorized, Unavailable
from webapp.storage.database import Database

_PUBLISH = frozenset({Scope.PUBLISH})


@pytest.fixture
def issued(keys: ApiKeys) -> IssuedKey:
    return keys.issue("shop", _PUBLISH)


@pytest.fixture
def cut_off(database: Database, home: Path) -> Callable[[], None]:
    """Takes the database away, so that no connection can be made."""

    def cut() -> None:
        database.close()
        home.rename(home.with_name("gone"))

    return cut


def _message(gate: Gate, token: str | None) -> str:
    with pytest.raises(Unauthorized) as caught:
        gate.admit(token, Scope.PUBLISH)
    return caught.value.message


def test_a_good_key_is_admitted(gate: Gate, issued: IssuedKey) -> None:
    """The caller is the key's app, with the key's scopes."""
    caller = Caller(issued.key.app_id, issued.key.id, _PUBLISH)
    assert gate.admit(issued.token, Scope.PUBLISH) == caller


def test_the_missing_scope_is_named(gate: Gate, issued: IssuedKey) -> None:
    """A good key for another kind of call is told which scope it lacks."""
    with pytest.raises(Forbidden, match="lacks the scope read"):
        gate.admit(issued.token, Scope.READ)


def test_no_refusal_tells_more_than_another(
    gate: Gate, keys: ApiKeys, signer: KeySigner, clock: Clock, issued: IssuedKey
) -> None:
    """Missing, garbage, unknown, revoked, expired, signed anew: one and the same answer."""
    now = datetime.fromtimestamp(clock.now, UTC)
    expired = keys.issue("shop", _PUBLISH, expires=now + timedelta(seconds=1)).token
    unknown = signer.sign(KeyClaims("nobody", "shop", _PUBLISH, 1))
    reissued = signer.sign(KeyClaims(issued.key.id, issued.key.app_id, frozenset(Scope), 1))
    keys.revoke(issued.key.id)
    clock.now += 1
    refused = [None, "", "garbage", unknown, reissued, issued.token, expired]
    assert len({_message(gate, token) for token in refused}) == 1
    assert gate.counts().refused == len(refused)


def test_a_verdict_saves_the_query(
    gate: Gate, issued: IssuedKey, statements: list[str], clock: Clock
) -> None:
    """Within a second the same key costs one query; a refusal is remembered as well."""
    for _ in range(10):
        gate.admit(issued.token, Scope.PUBLISH)
    assert len(statements) == 1
    assert gate.counts() == GateCounts(hits=9, misses=1, stale=0, refused=0)
    clock.now += 1
    gate.admit(issued.token, Scope.PUBLISH)
    assert len(statements) == 2


def test_the_verdict_on_a_busy_key_is_renewed_ahead(
    gate: Gate, issued: IssuedKey, clock: Clock
) -> None:
    """Calls that come all the time never wait for a look: it is made before the second is over."""
    gate.admit(issued.token, Scope.PUBLISH)
    threads = threading.active_count()
    for _ in range(3):
        clock.now += 0.6
        assert gate.known(issued.token, Scope.PUBLISH) is not None
        _until(lambda: threading.active_count() == threads)
    assert gate.counts() == GateCounts(hits=3, misses=4, stale=0, refused=0)


def test_looks_ahead_are_bounded(
    gate: Gate, keys: ApiKeys, offloading: Offloading, clock: Clock
) -> None:
    """Five are under way at most; the calls of all other keys go on with what is known."""
    tokens = [keys.issue("shop", _PUBLISH).token for _ in range(MAX_AHEAD + 4)]
    for token in tokens:
        gate.admit(token, Scope.PUBLISH)
    clock.now += 0.6
    threads, opened = threading.active_count(), threading.Event()
    offloading.before = lambda: _until(opened.is_set)
    for _ in range(2):
        assert all(gate.known(token, Scope.PUBLISH) for token in tokens)
    assert gate.counts().misses == len(tokens) + MAX_AHEAD
    opened.set()
    _until(lambda: threading.active_count() == threads)
    # There is room again.
    assert all(gate.known(token, Scope.PUBLISH) for token in tokens)
    assert gate.counts().misses == len(tokens) + MAX_AHEAD + 4
    _until(lambda: threading.active_count() == threads)


def test_a_slow_look_does_not_undo_a_newer_one(
    *, gate: Gate, keys: ApiKeys, issued: IssuedKey, database: Database, clock: Clock
) -> None:
    """What was read before a revocation counts no more after a look that has seen it."""
    gate.admit_key(issued.key.id, Scope.PUBLISH)
    clock.now += 1
    threads, opened = threading.active_count(), threading.Event()
    slow = [opened]

    def after_reading(*_given: str) -> None:
        if slow:
            opened = slow.pop()
            _until(opened.is_set)

    event.listen(database.engine, "after_cursor_execute", after_reading)
    gate.admit_key(issued.key.id, Scope.PUBLISH)
    _until(lambda: not slow)
    keys.revoke(issued.key.id)
    clock.now += 0.1
    _message(gate, issued.token)
    opened.set()
    _until(lambda: threading.active_count() == threads)
    with pytest.raises(Unauthorized):
        gate.admit_key(issued.key.id, Scope.PUBLISH)


def test_a_revoked_key_does_not_hammer_the_database(
    gate: Gate, keys: ApiKeys, issued: IssuedKey, statements: list[str]
) -> None:
    """A refusal of a signed key is kept for a second too."""
    keys.revoke(issued.key.id)
    del statements[:]
    for _ in range(10):
        _message(gate, issued.token)
    assert len(statements) == 1


def test_a_revocation_is_seen_when_the_verdict_is_a_second_old(
    gate: Gate, keys: ApiKeys, issued: IssuedKey, clock: Clock
) -> None:
    """A revoked key that was admitted just before is refused within 2 seconds."""
    gate.admit(issued.token, Scope.PUBLISH)
    keys.revoke(issued.key.id)
    clock.now += 1
    _message(gate, issued.token)


def test_an_expired_key_is_refused_while_its_verdict_is_fresh(
    gate: Gate, keys: ApiKeys, clock: Clock
) -> None:
    """The end of a key counts to the second, whatever is remembered of it."""
    clock.now += 0.5
    ends = datetime.fromtimestamp(int(clock.now) + 1, UTC)
    token = keys.issue("shop", _PUBLISH, expires=ends).token
    gate.admit(token, Scope.PUBLISH)
    clock.now += 0.5
    _message(gate, token)


def test_forged_keys_cost_no_query(
    gate: Gate, issued: IssuedKey, statements: list[str], clock: Clock
) -> None:
    """A flood of keys that were not signed here never reaches the database nor the memory."""
    gate.admit(issued.token, Scope.PUBLISH)
    del statements[:]
    forger = KeySigner("another secret, of the attacker's", clock)
    for number in range(200):
        _message(gate, forger.sign(KeyClaims(f"key {number}", "app", _PUBLISH, 1)))
    assert statements == []
    assert len(gate._verdicts) == 1


def test_a_known_key_works_on_while_the_database_is_gone(
    gate: Gate, issued: IssuedKey, clock: Clock, cut_off: Callable[[], None]
) -> None:
    """For a minute what was known still counts; after that nobody can tell, which is a 503."""
    caller = gate.admit(issued.token, Scope.PUBLISH)
    cut_off()
    for _ in range(3):
        clock.now += 20
        assert gate.admit(issued.token, Scope.PUBLISH) == caller
    assert gate.counts().stale == 3
    clock.now += 1.1
    with pytest.raises(Unavailable):
        gate.admit(issued.token, Scope.PUBLISH)


def test_an_unknown_key_is_503_while_the_database_is_gone(
    gate: Gate, issued: IssuedKey, cut_off: Callable[[], None]
) -> None:
    """A key that may well be good is not called bad; a forged one still is."""
    cut_off()
    with pytest.raises(Unavailable):
        gate.admit(issued.token, Scope.PUBLISH)
    _message(gate, issued.token[:-5] + "AAAAA")


def test_a_database_that_is_gone_is_tried_once_a_second(
    *,
    gate: Gate,
    issued: IssuedKey,
    clock: Clock,
    home: Path,
    cut_off: Callable[[], None],
    offloading: Offloading,
) -> None:
    """Calls do not queue up behind one time-out after the other, and its return is noticed."""
    gate.admit(issued.token, Scope.PUBLISH)
    cut_off()
    tries: list[float] = []
    offloading.before = lambda: tries.append(clock.now)
    clock.now += 1
    for _ in range(10):
        gate.admit(issued.token, Scope.PUBLISH)
    assert len(tries) == 1
    home.with_name("gone").rename(home)
    clock.now += 1
    gate.admit(issued.token, Scope.PUBLISH)
    assert (len(tries), gate.counts().stale) == (2, 10)


def _until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if holds():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen within 10 seconds")


def test_calls_at_once_share_one_query(
    gate: Gate, issued: IssuedKey, offloading: Offloading, statements: list[str]
) -> None:
    """Calls that miss with the same key at the same time wait for one query and get its answer."""
    opened = threading.Event()
    offloading.before = lambda: _until(opened.is_set)
    callers: list[Caller] = []
    threads = [
        threading.Thread(target=lambda: callers.append(gate.admit(issued.token, Scope.PUBLISH)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    _until(lambda: gate.counts().misses == 8)
    opened.set()
    for thread in threads:
        thread.join()
    assert len(callers) == 8
    assert len(set(callers)) == 1
    assert len(statements) == 1


def test_calls_that_wait_for_a_query_that_fails_are_answered(
    gate: Gate, issued: IssuedKey, offloading: Offloading, cut_off: Callable[[], None]
) -> None:
    """Whoever shares a query shares its failure: nobody is left waiting."""
    cut_off()
    opened = threading.Event()
    offloading.before = lambda: _until(opened.is_set)
    failures: list[Exception] = []

    def call() -> None:
        try:
            gate.admit(issued.token, Scope.PUBLISH)
        except Unavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    _until(lambda: gate.counts().misses == 4)
    opened.set()
    for thread in threads:
        thread.join()
    assert len(failures) == 4


def test_a_known_key_does_not_wait_for_a_slow_query(
    *,
    gate: Gate,
    issued: IssuedKey,
    offloading: Offloading,
    clock: Clock,
    statements: list[str],
) -> None:
    """While one look goes on, calls with an older verdict go on with that; so does who began it."""
    caller = gate.admit(issued.token, Scope.PUBLISH)
    clock.now += 1
    opened = threading.Event()
    offloading.before = lambda: _until(opened.is_set)
    for calls in (1, 2):
        assert gate.admit(issued.token, Scope.PUBLISH) == caller
        assert gate.counts().stale == calls
    looks = len(statements)
    opened.set()
    _until(lambda: len(statements) == looks + 1)
    hits = gate.counts().hits
    _until(lambda: gate.admit(issued.token, Scope.PUBLISH) == caller and gate.counts().hits > hits)


def test_a_slow_query_costs_its_patience_once(
    gate: Gate, issued: IssuedKey, offloading: Offloading, clock: Clock
) -> None:
    """Calls that come when a look has taken longer than the patience do not wait at all."""
    gate.admit(issued.token, Scope.PUBLISH)
    clock.now += 1
    opened = threading.Event()
    offloading.before = lambda: _until(opened.is_set)
    gate.admit(issued.token, Scope.PUBLISH)
    clock.now += PATIENCE_SECONDS
    began = time.monotonic()
    for _ in range(20):
        gate.admit(issued.token, Scope.PUBLISH)
    assert time.monotonic() - began < 20 * PATIENCE_SECONDS / 2
    opened.set()


def test_a_revocation_is_seen_after_a_slow_query(
    gate: Gate, keys: ApiKeys, issued: IssuedKey, offloading: Offloading, clock: Clock
) -> None:
    """What a look in the background finds counts from then on."""
    gate.admit(issued.token, Scope.PUBLISH)
    keys.revoke(issued.key.id)
    clock.now += 1
    opened = threading.Event()
    offloading.before = lambda: _until(opened.is_set)
    gate.admit(issued.token, Scope.PUBLISH)
    opened.set()

    def refused() -> bool:
        try:
            gate.admit(issued.token, Scope.PUBLISH)
        except Unauthorized:
            return True
        return False

    _until(refused)


def test_an_error_behind_an_old_verdict_is_not_swallowed(
    gate: Gate, issued: IssuedKey, offloading: Offloading, clock: Clock
) -> None:
    """A look in the background that fails at once by a fault of ours fails the call."""
    gate.admit(issued.token, Scope.PUBLISH)
    clock.now += 1

    def fails() -> None:
        raise KeyError("a fault of ours")

    offloading.before = fails
    with pytest.raises(KeyError):
        gate.admit(issued.token, Scope.PUBLISH)


def test_verdicts_are_bounded(
    gate: Gate, issued: IssuedKey, keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many verdicts are kept and no more; the one that was looked at first goes first."""
    monkeypatch.setattr(gate_module, "MAX_VERDICTS", 2)
    tokens = [issued.token, *(keys.issue("shop", _PUBLISH).token for _ in range(2))]
    for token in tokens:
        gate.admit(token, Scope.PUBLISH)
    gate.admit(tokens[1], Scope.PUBLISH)
    assert gate.counts() == GateCounts(hits=1, misses=3, stale=0, refused=0)
    gate.admit(tokens[0], Scope.PUBLISH)
    assert gate.counts().misses == 4


def test_which_keys_are_still_good(
    *, gate: Gate, keys: ApiKeys, clock: Clock, statements: list[str], cut_off: Callable[[], None]
) -> None:
    """One look at all tells which are revoked or expired; while nobody can tell, all are good."""
    ends = datetime.fromtimestamp(clock.now + 1, UTC)
    good = [keys.issue("shop", _PUBLISH).key.id for _ in range(3)]
    revoked = keys.issue("shop", _PUBLISH).key.id
    expired = keys.issue("shop", _PUBLISH, expires=ends).key.id
    keys.revoke(revoked)
    clock.now += 1
    held = [*good, revoked, expired, "never issued"]
    del statements[:]
    assert gate.revoked_among(held) == {revoked, expired, "never issued"}
    assert len(statements) == 1
    assert gate.revoked_among([]) == set()
    cut_off()
    assert gate.revoked_among(held) == set()


def test_an_error_in_the_query_is_not_swallowed(
    gate: Gate, issued: IssuedKey, offloading: Offloading
) -> None:
    """What is no outage comes out as it is, and the next call looks again."""

    def fails() -> None:
        raise KeyError("a fault of ours")

    offloading.before = fails
    with pytest.raises(KeyError):
        gate.admit(issued.token, Scope.PUBLISH)
    offloading.before = lambda: None
    gate.admit(issued.token, Scope.PUBLISH)


def test_the_last_use_is_noted(gate: Gate, keys: ApiKeys, issued: IssuedKey, clock: Clock) -> None:
    """The gate says once which keys it saw, and the list shows when."""
    gate.admit(issued.token, Scope.PUBLISH)
    used = gate.take_used()
    keys.record_use(used)
    assert gate.take_used() == {}
    found = keys.find(issued.key.id)
    assert found is not None
    assert found.last_used_at == datetime.fromtimestamp(clock.now, UTC)
