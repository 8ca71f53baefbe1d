"""The gate that every call passes: it says who calls, and whether they may."""

import hmac
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cachetools import TTLCache

from webapp.access.keys import ApiKeys, KeyDetails
from webapp.access.scopes import Scope
from webapp.access.tokens import KeyClaims, KeySigner, KeyTokenInvalid, digest_of
from webapp.errors import Forbidden, Unauthorized, Unavailable

FRESH_SECONDS = 1.0
"""How long a verdict counts without another look: with it a revocation is seen within 2 s."""
STALE_SECONDS = 60.0
"""How long a verdict that is no longer fresh counts while the database is out of reach."""
MAX_VERDICTS = 10_000
_PATIENCE_SECONDS = 0.5
"""How long a call with a stale verdict waits for the look that another call is having."""

_REFUSAL = (
    "This call needs a valid API key, as Authorization: Bearer <key> or X-API-Key: <key>."
    " Issue one with: flask --app webapp keys issue"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call, as far as the gate knows."""

    app_id: str
    key_id: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class GateCounts:
    """How the gate decided, since the process started: ``misses`` looked into the database."""

    hits: int
    misses: int
    stale: int
    refused: int


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the database said of a token that is signed: ``caller`` is None where it is refused."""

    claims: KeyClaims
    caller: Caller | None
    expires_at: float | None
    looked_at: float


class _Look:
    """One look into the database that several calls may be waiting for."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.verdict: _Verdict | None = None


class Gate:
    """Admits calls by API key.

    A forged key fails on its signature and costs no query, nor a place among the verdicts. A
    verdict is kept by the token's SHA-256 for a second, and for a minute more in case the database
    goes down. Calls that miss with the same key at once share one query. No lock is held over it.
    ``clock`` tells Unix time, ``timer`` the age of verdicts.
    """

    def __init__(
        self,
        keys: ApiKeys,
        signer: KeySigner,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._signer = signer
        self._clock = clock
        self._timer = timer
        self._lock = threading.Lock()
        self._verdicts: TTLCache[str, _Verdict, float] = TTLCache(
            MAX_VERDICTS, FRESH_SECONDS + STALE_SECONDS, timer
        )
        self._looks: dict[str, _Look] = {}
        self._used: dict[str, datetime] = {}
        self._down_until = float("-inf")
        self._hits = self._misses = self._stale = self._refused = 0

    def admit(self, token: str | None, scope: Scope) -> Caller:
        """Return who calls.

        Raises ``Unauthorized`` where the key is missing, forged, unknown, revoked or expired (the
        message does not tell which), ``Forbidden`` where it lacks ``scope``, and ``Unavailable``
        where only the database could tell and is out of reach.
        """
        caller = None if token is None else self._caller_of(token)
        if caller is None:
            with self._lock:
                self._refused += 1
            raise Unauthorized(_REFUSAL)
        if scope not in caller.scopes:
            raise Forbidden(
                f"This API key lacks the scope {scope}."
                f" Issue one with: flask --app webapp keys issue --scopes {scope}"
            )
        return caller

    def counts(self) -> GateCounts:
        """Return how many calls were decided from memory, by a look, on old news, and refused."""
        with self._lock:
            return GateCounts(self._hits, self._misses, self._stale, self._refused)

    def take_used(self) -> Mapping[str, datetime]:
        """Return the keys seen since the last call and when, for ``ApiKeys.record_use``."""
        with self._lock:
            used, self._used = self._used, {}
        return used

    def _caller_of(self, token: str) -> Caller | None:
        digest = digest_of(token)
        with self._lock:
            known = self._verdicts.get(digest)
            fresh = known is not None and self._timer() - known.looked_at < FRESH_SECONDS
            self._hits += fresh
        if known is None or not fresh:
            try:
                claims = self._signer.verify(token) if known is None else known.claims
            except KeyTokenInvalid:
                return None
            known = self._look(digest, claims, known)
        return known.caller if _in_time(known, self._clock()) else None

    def _look(self, digest: str, claims: KeyClaims, stale: _Verdict | None) -> _Verdict:
        """Return the verdict of the database, or ``stale`` where there is no other to be had."""
        with self._lock:
            self._misses += 1
            down = self._timer() < self._down_until
            look = self._looks.get(digest)
            leads = look is None and not down
            if look is None:
                look = _Look()
            if leads:
                self._looks[digest] = look
        if leads:
            self._lead(look, digest, claims)
        elif not down:
            look.done.wait(_PATIENCE_SECONDS if stale else None)
        return look.verdict or self._fall_back(stale)

    def _lead(self, look: _Look, digest: str, claims: KeyClaims) -> None:
        try:
            verdict = self._verdict(digest, claims)
            with self._lock:
                look.verdict = self._verdicts[digest] = verdict
                if verdict.caller is not None:
                    self._used[claims.key_id] = datetime.fromtimestamp(self._clock(), UTC)
        except Unavailable:
            # Or every call would wait for the same time-out; ``_fall_back`` answers meanwhile.
            with self._lock:
                self._down_until = self._timer() + FRESH_SECONDS
        finally:
            with self._lock:
                del self._looks[digest]
            look.done.set()

    def _verdict(self, digest: str, claims: KeyClaims) -> _Verdict:
        # Before the query: a revocation after its start is seen by the next look.
        looked_at = self._timer()
        key = self._keys.find(claims.key_id)
        if key is None or not _is_good(key, digest):
            return _Verdict(claims, None, None, looked_at)
        caller = Caller(key.app_id, key.id, key.scopes)
        expires_at = None if key.expires_at is None else key.expires_at.timestamp()
        return _Verdict(claims, caller, expires_at, looked_at)

    def _fall_back(self, stale: _Verdict | None) -> _Verdict:
        if stale is None:
            raise Unavailable("The database that knows the API keys is out of reach. Try again.")
        with self._lock:
            self._stale += 1
        return stale


def _is_good(key: KeyDetails, digest: str) -> bool:
    return hmac.compare_digest(key.digest, digest) and key.revoked_at is None


def _in_time(verdict: _Verdict, now: float) -> bool:
    ends = (verdict.expires_at, verdict.claims.expires_at)
    return all(end is None or now < end for end in ends)
