"""Tokens: what is signed here verifies, and nothing else does."""

import base64
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from logger_lib.json_value import JsonObject
from tests.access.conftest import SECRET, Clock
from webapp.access.scopes import Scope
from webapp.access.tokens import PREFIX, KeyClaims, KeySigner, KeyTokenInvalid, digest_of

_CLAIMS = KeyClaims(
    key_id="key",
    app_id="app",
    scopes=frozenset({Scope.READ, Scope.PUBLISH}),
    issued_at=1_800_000_000,
    expires_at=1_800_000_060,
)
_SIGNER = KeySigner(SECRET, Clock())
_TOKEN = _SIGNER.sign(_CLAIMS)


def _own_key() -> OctKey:
    return _SIGNER._signer._key


def _signed(payload: JsonObject, kind: str = "herald-key+jwt", algorithm: str = "HS256") -> str:
    header = {"alg": algorithm, "typ": kind}
    return PREFIX + jwt.encode(header, payload, _own_key(), [algorithm])


def test_what_is_signed_verifies() -> None:
    """Every claim comes back; a key without an end has none."""
    assert _SIGNER.verify(_TOKEN) == _CLAIMS
    endless = KeyClaims("key", "app", frozenset({Scope.COLLECT}), 1)
    assert _SIGNER.verify(_SIGNER.sign(endless)) == endless


def test_a_token_can_be_found_by_scanners() -> None:
    """A token is one word that begins with herald_, followed by a JWT."""
    assert re.fullmatch(r"herald_eyJ[\w-]+\.[\w-]+\.[\w-]+", _TOKEN)


def test_a_token_ends_on_time(clock: Clock) -> None:
    """From the second of its end on a token is refused."""
    signer = KeySigner(SECRET, clock)
    clock.now = 1_800_000_059.9
    assert signer.verify(_TOKEN) == _CLAIMS
    clock.now = 1_800_000_060.0
    with pytest.raises(KeyTokenInvalid, match="expired"):
        signer.verify(_TOKEN)


def test_another_secret_or_purpose_is_another_signature() -> None:
    """Neither a signer with another secret nor one that uses the secret itself is believed."""
    with pytest.raises(KeyTokenInvalid):
        _SIGNER.verify(KeySigner(SECRET + "!").sign(_CLAIMS))
    raw = OctKey.import_key(SECRET.encode())
    payload: JsonObject = {"jti": "key", "app": "app", "scp": ["read"], "iat": 1}
    header = {"alg": "HS256", "typ": "herald-key+jwt"}
    with pytest.raises(KeyTokenInvalid):
        _SIGNER.verify(PREFIX + jwt.encode(header, payload, raw, ["HS256"]))


def _encoded(part: JsonObject) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_the_algorithm_is_pinned() -> None:
    """Neither none nor HS512, though signed with the right key, is taken for HS256."""
    payload: JsonObject = {"jti": "key", "app": "app", "scp": ["read"], "iat": 1}
    unsigned = f"{_encoded({'alg': 'none', 'typ': 'herald-key+jwt'})}.{_encoded(payload)}."
    for token in (PREFIX + unsigned, _signed(payload, algorithm="HS512")):
        with pytest.raises(KeyTokenInvalid):
            _SIGNER.verify(token)
    assert _SIGNER.verify(_signed(payload)).key_id == "key"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"jti": 1, "app": "app", "scp": ["read"], "iat": 1},
        {"jti": "key", "app": "app", "scp": "read", "iat": 1},
        {"jti": "key", "app": "app", "scp": ["admin"], "iat": 1},
        {"jti": "key", "app": "app", "scp": [1], "iat": 1},
        {"jti": "key", "app": "app", "scp": ["read"], "iat": 1, "exp": "never"},
    ],
)
def test_claims_are_checked_though_signed(payload: JsonObject) -> None:
    """A signature does not make up for claims that are missing or of another type."""
    with pytest.raises(KeyTokenInvalid):
        _SIGNER.verify(_signed(payload))


def test_another_kind_of_token_is_refused() -> None:
    """A token that says it is of another kind is no API key, though signed with its key."""
    payload: JsonObject = {"jti": "key", "app": "app", "scp": ["read"], "iat": 1}
    with pytest.raises(KeyTokenInvalid, match="another kind"):
        _SIGNER.verify(_signed(payload, kind="JWT"))


@pytest.mark.parametrize(
    "token",
    ["", "herald_", _TOKEN.removeprefix(PREFIX), "HERALD_" + _TOKEN[7:], _TOKEN + "x" * 2048],
)
def test_the_frame_of_a_token(token: str) -> None:
    """The prefix is required as it is, and the length is bounded."""
    with pytest.raises(KeyTokenInvalid):
        _SIGNER.verify(token)


def _refused(token: str) -> bool:
    try:
        _SIGNER.verify(token)
    except KeyTokenInvalid:
        return True
    return False


@given(st.integers(0, len(_TOKEN) - 1), st.characters())
def test_no_other_character_verifies(place: int, character: str) -> None:
    """No token with one character exchanged verifies, wherever it is."""
    mutated = _TOKEN[:place] + character + _TOKEN[place + 1 :]
    assert mutated == _TOKEN or _refused(mutated)


def test_no_other_last_character_verifies() -> None:
    """The spare bits at the end of a signature do not give a token four spellings."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
    accepted = [last for last in alphabet if not _refused(_TOKEN[:-1] + last)]
    assert accepted == [_TOKEN[-1]]


@settings(max_examples=50)
@given(st.integers(0, len(_TOKEN)), st.integers(0, len(_TOKEN)), st.text(max_size=20))
def test_no_other_text_verifies(start: int, end: int, put: str) -> None:
    """No token with a piece cut out, or another put in, verifies; nor does an error escape."""
    mutated = _TOKEN[:start] + put + _TOKEN[end:]
    assert mutated == _TOKEN or _refused(mutated)


@given(st.text(), st.text(), st.text())
def test_no_three_parts_verify(header: str, payload: str, signature: str) -> None:
    """Whatever stands between the points is refused, not stumbled over."""
    assert _refused(f"{PREFIX}{header}.{payload}.{signature}")


def test_the_digest_is_of_the_whole_token() -> None:
    """What is stored is the SHA-256 in hex; any text has one, also one that UTF-8 cannot hold."""
    assert digest_of("abc").startswith("ba7816bf")
    assert len(digest_of("\ud800")) == 64
