"""User tokens: what is signed here for an hour verifies, and nothing else does."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt

from logger_lib import JsonObject
from tests.access.conftest import SECRET, Clock
from webapp.access.scopes import Scope
from webapp.access.tokens import PREFIX, KeyClaims, KeySigner
from webapp.users.live_sessions import LiveSession
from webapp.users.user_tokens import LIFETIME_SECONDS, UserTokenInvalid, UserTokens
from webapp.users.users import UserDetails

_CLOCK = Clock()
_TOKENS = UserTokens(SECRET, _CLOCK)
_NOW = int(_CLOCK.now)
_DAY = datetime.fromtimestamp(_NOW, UTC) + timedelta(days=1)
_USER = UserDetails("user", "https://i.example", "", "", _DAY, None, email_verified=False)
_LIVE = LiveSession("session", _USER, _DAY)
_TOKEN = _TOKENS.issue(_LIVE).token


def _refused(token: str) -> bool:
    try:
        _TOKENS.verify(token)
    except UserTokenInvalid:
        return True
    return False


def _signed(payload: JsonObject, kind: str = "herald-user+jwt", algorithm: str = "HS256") -> str:
    return jwt.encode({"alg": algorithm, "typ": kind}, payload, _TOKENS._signer._key, [algorithm])


def test_a_token_lasts_an_hour() -> None:
    """A token names its session for an hour, to the second, and never longer than that lasts."""
    clock = Clock()
    tokens = UserTokens(SECRET, clock)
    issued = tokens.issue(_LIVE)
    assert issued.expires_at == clock.now + LIFETIME_SECONDS
    clock.now += LIFETIME_SECONDS - 1
    assert tokens.verify(issued.token) == issued
    clock.now += 1
    with pytest.raises(UserTokenInvalid):
        tokens.verify(issued.token)
    ends_soon = LiveSession("session", _USER, datetime.fromtimestamp(clock.now + 5, UTC))
    assert tokens.issue(ends_soon).expires_at == clock.now + 5


def test_tokens_of_other_kinds() -> None:
    """Neither an API key of the same secret nor a token of another kind is a user token."""
    claims = KeyClaims("key", "app", frozenset(Scope), _NOW)
    key = KeySigner(SECRET, _CLOCK).sign(claims)
    good: JsonObject = {"sub": "user", "sid": "session", "iat": _NOW, "exp": _NOW + 1}
    assert not _refused(_signed(good))
    for token in (
        key,
        key.removeprefix(PREFIX),
        UserTokens(f"{SECRET}!", _CLOCK).issue(_LIVE).token,
        _signed(good, kind="JWT"),
        _signed(good, kind="herald-key+jwt"),
        _signed(good, algorithm="HS512"),
    ):
        assert _refused(token), token


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"sid": "session"},
        {"sub": "user", "exp": _NOW + 1},
        {"sub": "user", "sid": 5, "exp": _NOW + 1},
        {"sub": 5, "sid": "session", "exp": _NOW + 1},
        {"sid": "session", "exp": _NOW + 1},
        {"sub": "user", "sid": "session", "exp": "never"},
        {"sub": "user", "sid": "session", "exp": None},
        {"sub": "user", "sid": "session", "exp": _NOW},
    ],
)
def test_claims_are_checked_though_signed(payload: JsonObject) -> None:
    """A signature does not make up for claims that are missing, over or of another type."""
    assert _refused(_signed(payload))


def test_an_unsigned_token() -> None:
    """The algorithm is pinned: none is none of ours."""

    def encoded(part: JsonObject) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    header: JsonObject = {"alg": "none", "typ": "herald-user+jwt"}
    payload: JsonObject = {"sid": "session", "exp": _NOW + 1}
    assert _refused(f"{encoded(header)}.{encoded(payload)}.")


@given(st.integers(0, len(_TOKEN) - 1), st.characters())
def test_no_other_character_verifies(place: int, character: str) -> None:
    """No token with one character exchanged verifies, wherever it is."""
    mutated = _TOKEN[:place] + character + _TOKEN[place + 1 :]
    assert mutated == _TOKEN or _refused(mutated)


@given(st.text(), st.text(), st.text())
def test_no_three_parts_verify(header: str, payload: str, signature: str) -> None:
    """Whatever stands between the points is refused, not stumbled over."""
    assert _refused(f"{header}.{payload}.{signature}")


@given(st.text(max_size=3000))
def test_no_text_verifies(text: str) -> None:
    """Nor does any other text."""
    assert _refused(text)
