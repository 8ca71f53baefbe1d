"""Room tokens: what is signed here verifies, and nothing else does; what each allows."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from logger_lib import JsonObject
from tests.access.conftest import SECRET, Clock
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.room_tokens import (
    LONGEST,
    PREFIX,
    RoomClaims,
    RoomTokenInvalid,
    RoomTokens,
    RoomTokenSigner,
    room_or_pattern,
)
from webapp.access.scopes import Scope
from webapp.access.tokens import KeyClaims, KeySigner, KeyTokenInvalid
from webapp.errors import Forbidden, Unauthorized, Unavailable, ValidationFailed
from webapp.storage.database import Database

_CLAIMS = RoomClaims(
    id="token",
    key_id="key",
    app_id="app",
    subject="user-7",
    rooms=("orders", "order.*"),
    issued_at=1_800_000_000,
    expires_at=1_800_000_060,
)
_SIGNER = RoomTokenSigner(SECRET, Clock())
_TOKEN = _SIGNER.sign(_CLAIMS)
_SUBSCRIBE = frozenset({Scope.SUBSCRIBE})


def _refused(token: str) -> bool:
    try:
        _SIGNER.verify(token)
    except RoomTokenInvalid:
        return True
    return False


def test_what_is_signed_verifies() -> None:
    """Every claim comes back; a token for nobody in particular has no subject."""
    assert _SIGNER.verify(_TOKEN) == _CLAIMS
    nobodys = RoomClaims("token", "key", "app", None, ("a",), 1, 1_900_000_000)
    assert _SIGNER.verify(_SIGNER.sign(nobodys)) == nobodys
    assert re.fullmatch(r"herald_room_eyJ[\w-]+\.[\w-]+\.[\w-]+", _TOKEN)


def test_a_token_ends_on_time(clock: Clock) -> None:
    """From the second of its end on a token is refused."""
    signer = RoomTokenSigner(SECRET, clock)
    clock.now = 1_800_000_059.9
    assert signer.verify(_TOKEN) == _CLAIMS
    clock.now = 1_800_000_060.0
    with pytest.raises(RoomTokenInvalid, match="expired"):
        signer.verify(_TOKEN)


def test_no_kind_passes_for_another() -> None:
    """A room token is no API key, nor the other way around, whatever prefix it is given."""
    keys = KeySigner(SECRET, Clock())
    key = keys.sign(KeyClaims("key", "app", _SUBSCRIBE, 1))
    bare_key, bare_room = key.removeprefix("herald_"), _TOKEN.removeprefix(PREFIX)
    for token in (key, PREFIX + bare_key):
        assert _refused(token)
    for token in (_TOKEN, "herald_" + bare_room):
        with pytest.raises(KeyTokenInvalid):
            keys.verify(token)
    assert _refused(RoomTokenSigner("another secret").sign(_CLAIMS))


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": 1},
        {"key": None},
        {"app": ["app"]},
        {"sub": 7},
        {"rooms": "orders"},
        {"rooms": ["orders", 1]},
        {"iat": "now"},
        {"exp": None},
        {"exp": "never"},
    ],
)
def test_claims_are_checked_though_signed(changes: JsonObject) -> None:
    """A signature does not make up for claims that are missing or of another type."""
    good: JsonObject = {
        **{"jti": "t", "key": "k", "app": "a", "rooms": ["orders"]},
        **{"iat": 1, "exp": 1_900_000_000},
    }
    signer = _SIGNER._signer
    assert not _refused(signer.sign(good))
    assert _refused(signer.sign({**good, **changes}))


@given(st.integers(0, len(_TOKEN) - 1), st.characters())
def test_no_other_character_verifies(place: int, character: str) -> None:
    """No token with one character exchanged verifies, wherever it is."""
    mutated = _TOKEN[:place] + character + _TOKEN[place + 1 :]
    assert mutated == _TOKEN or _refused(mutated)


@settings(max_examples=50)
@given(st.integers(0, len(_TOKEN)), st.integers(0, len(_TOKEN)), st.text(max_size=20))
def test_no_other_text_verifies(start: int, end: int, put: str) -> None:
    """No token with a piece cut out, or another put in, verifies; nor does an error escape."""
    mutated = _TOKEN[:start] + put + _TOKEN[end:]
    assert mutated == _TOKEN or _refused(mutated)


@pytest.mark.parametrize(
    ("rooms", "allowed", "denied"),
    [
        (["orders"], ["orders"], ["order", "orders.7", "Orders", "orders ", ""]),
        (["order.*"], ["order.", "order.7", "order.7.items", "order.*"], ["order", "orders"]),
        (["order*"], ["order", "orders", "order.7"], ["orde", "Order", " order"]),
        (["a", "b.*"], ["a", "b.c"], ["b", "ab.c", "a.b.c", "*"]),
        (["ö.*"], ["ö.1"], ["o\u0308.1", "o.1"]),
    ],
)
def test_what_is_allowed(rooms: list[str], allowed: list[str], denied: list[str]) -> None:
    """A name allows itself; a pattern whatever begins with what stands before its ``*``."""
    claims = RoomClaims("t", "k", "a", None, tuple(rooms), 1, 2)
    assert [room for room in [*allowed, *denied] if claims.allows(room)] == allowed


@given(st.lists(st.text("ab.*", min_size=1, max_size=5), min_size=1), st.text("ab.*", max_size=6))
def test_nothing_else_is_allowed(names: list[str], room: str) -> None:
    """Whatever names there are, what is allowed is one of them or goes on where a ``*`` stood."""
    rooms = [name for name in names if _is_taken(name)]
    exact = [name for name in rooms if "*" not in name]
    begins = [name.removesuffix("*") for name in rooms if "*" in name]
    expected = room in exact or any(room[: len(begin)] == begin for begin in begins)
    assert RoomClaims("t", "k", "a", None, tuple(rooms), 1, 2).allows(room) == expected


def _is_taken(name: str) -> bool:
    try:
        room_or_pattern(name)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", ["*", "**", "a**", "*a", "a*b", "order.*.items", "*.paid", ""])
def test_what_is_no_pattern(name: str) -> None:
    """There is no token for all rooms, and no ``*`` that would look like one and not be it."""
    assert not _is_taken(name)


@pytest.fixture
def tokens(gate: Gate, clock: Clock) -> RoomTokens:
    return RoomTokens(RoomTokenSigner(SECRET, clock), gate, clock)


@pytest.fixture
def room_token(keys: ApiKeys, gate: Gate, tokens: RoomTokens) -> str:
    caller = gate.admit(keys.issue("shop", _SUBSCRIBE).token, Scope.SUBSCRIBE)
    return tokens.issue(caller, ["orders", "a*", "orders"], 60, "user-7")[0]


def test_what_is_issued(
    *, keys: ApiKeys, gate: Gate, tokens: RoomTokens, clock: Clock, room_token: str
) -> None:
    """The token names its key, app, subject and rooms, and is good for at least its ``ttl``."""
    claims = tokens.admit(room_token)
    (key,) = keys.list_keys()
    assert (claims.key_id, claims.app_id, claims.subject) == (key.id, key.app_id, "user-7")
    assert claims.rooms == ("orders", "a*")
    caller = gate.admit_key(key.id, Scope.SUBSCRIBE)
    clock.now += 0.1
    assert tokens.issue(caller, ["a"], 1, None)[1].expires_at - clock.now == pytest.approx(1.9)


def test_names_that_are_too_long_together(keys: ApiKeys, gate: Gate, tokens: RoomTokens) -> None:
    """A token that would not fit into a message is not made; a hundred usual names do fit."""
    caller = gate.admit(keys.issue("shop", _SUBSCRIBE).token, Scope.SUBSCRIBE)
    longest = [f"{number:0200}" for number in range(100)]
    token, claims = tokens.issue(caller, longest, 60, "s" * 200)
    assert tokens.admit(token) == claims
    wide = [f"{number:0199}\U0001f600" for number in range(100)]
    assert tokens.admit(tokens.issue(caller, wide, 60, None)[0]).rooms == tuple(wide)
    with pytest.raises(ValidationFailed, match="too long together"):
        tokens.issue(caller, ["\U0001f600" * 190 + name[189:199] for name in wide], 60, None)
    assert len(token) <= LONGEST


def test_verifying_costs_no_query(
    tokens: RoomTokens, room_token: str, statements: list[str], clock: Clock
) -> None:
    """A query is asked only where nothing of the key was seen for a second, and none by forgers."""
    for _ in range(10):
        tokens.admit(room_token)
    assert statements == []
    clock.now += 1
    for _ in range(10):
        tokens.admit(room_token)
    assert len(statements) == 1
    forger = RoomTokenSigner("another secret, of the attacker's", clock)
    clock.now += 1
    for number in range(100):
        forged = RoomClaims(f"t{number}", f"k{number}", "app", None, ("a",), 1, 2_000_000_000)
        with pytest.raises(Unauthorized):
            tokens.admit(forger.sign(forged))
    assert len(statements) == 1


def test_tokens_end_with_their_key(
    *,
    keys: ApiKeys,
    tokens: RoomTokens,
    room_token: str,
    clock: Clock,
    statements: list[str],
) -> None:
    """A token of a revoked key is refused a second later, and does not hammer the database."""
    tokens.admit(room_token)
    keys.revoke(keys.list_keys()[0].id)
    clock.now += 1
    del statements[:]
    for _ in range(10):
        with pytest.raises(Unauthorized):
            tokens.admit(room_token)
    assert len(statements) == 1


def test_while_the_database_is_gone(
    *,
    database: Database,
    home: Path,
    keys: ApiKeys,
    gate: Gate,
    tokens: RoomTokens,
    clock: Clock,
) -> None:
    """For a minute the last verdict on the key counts for its tokens; then nobody can tell."""
    caller = gate.admit(keys.issue("shop", _SUBSCRIBE).token, Scope.SUBSCRIBE)
    token, claims = tokens.issue(caller, ["a"], 600, None)
    database.close()
    home.rename(home.with_name("gone"))
    for _ in range(3):
        clock.now += 20
        assert tokens.admit(token) == claims
    clock.now += 1.1
    with pytest.raises(Unavailable):
        tokens.admit(token)


def test_what_is_known_of_a_key_holds_for_its_tokens(
    *,
    database: Database,
    home: Path,
    keys: ApiKeys,
    gate: Gate,
    tokens: RoomTokens,
    clock: Clock,
) -> None:
    """A key that was seen to be revoked ends its tokens, though the database is gone since."""
    issued = keys.issue("shop", _SUBSCRIBE)
    caller = gate.admit(issued.token, Scope.SUBSCRIBE)
    token, _ = tokens.issue(caller, ["a"], 600, None)
    tokens.admit(token)
    keys.revoke(issued.key.id)
    clock.now += 1
    with pytest.raises(Unauthorized):
        gate.admit(issued.token, Scope.SUBSCRIBE)
    database.close()
    home.rename(home.with_name("gone"))
    clock.now += 1
    with pytest.raises(Unauthorized):
        tokens.admit(token)


def test_tokens_that_no_key_stands_for(
    *, keys: ApiKeys, gate: Gate, signer: KeySigner, clock: Clock, tokens: RoomTokens
) -> None:
    """A token of an unknown key, of another app's, or of one without the scope is refused."""
    rooms = RoomTokenSigner(SECRET, clock)
    publishing = keys.issue("shop", frozenset({Scope.PUBLISH})).key
    shops = keys.issue("shop", _SUBSCRIBE).key
    for key_id, app_id, refusal in [
        ("nobody", shops.app_id, Unauthorized),
        (shops.id, "another app", Unauthorized),
        (publishing.id, shops.app_id, Forbidden),
    ]:
        token = rooms.sign(RoomClaims("t", key_id, app_id, None, ("a",), 1, 2_000_000_000))
        with pytest.raises(refusal):
            tokens.admit(token)
    # A key that pretends to be another one's is refused, and says nothing against that.
    pretender = signer.sign(KeyClaims(shops.id, shops.app_id, frozenset(Scope), 1))
    with pytest.raises(Unauthorized):
        gate.admit(pretender, Scope.SUBSCRIBE)
    good = rooms.sign(RoomClaims("t", shops.id, shops.app_id, None, ("a",), 1, 2_000_000_000))
    assert tokens.admit(good).key_id == shops.id
