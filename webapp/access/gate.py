"""The gate that every call passes: it says who calls, and whether they may."""

import hmac
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeVar

from webapp.access.keys import ApiKeys
from webapp.access.scopes import Scope
from webapp.access.tokens import KeySigner, KeyTokenInvalid
from webapp.errors import Forbidden, Unauthorized, Unavailable

FRESH_SECONDS = 1.0
"""How long a verdict counts without another look: with it a revocation is seen within 2 s."""
AHEAD_SECONDS = 0.5
"""After how long a verdict that is asked for is looked at again, beside the calls: those of a busy
key never wait for it."""
MAX_AHEAD = 5
"""Looks of that kind at once. Beyond them a key's next call after its second waits for one."""
STALE_SECONDS = 60.0
"""How long a verdict that is no longer fresh counts while the database is slow or out of reach."""
MAX_VERDICTS = 10_000
PATIENCE_SECONDS = 0.1
"""How long calls with a stale verdict wait for a look, from its start; then that verdict counts."""

Name = TypeVar("Name", bytes, str)

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
class _Asked:
    """The key that the database is asked about: that of a token, or one known by its id alone."""

    key_id: str
    digest: bytes | None = None
    """The SHA-256 of its token, where that was presented."""

    expires_at: int | None = None

    @property
    def name(self) -> bytes | str:
        """What one look at it goes by: a token whose key has another digest is another question."""
        return self.digest or self.key_id


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the database said of a key: ``caller`` is None where it is refused."""

    asked: _Asked
    caller: Caller | None
    ends_at: float
    """Unix time from which on it is refused, whatever the database said; ``inf``: never."""
    looked_at: float
    is_of_key: bool = True
    """Not so where the token is not the key's own, which says nothing of the key."""


class _Look:
    """One look into the database that several calls may be waiting for."""

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self.done = threading.Event()
        self.verdict: _Verdict | None = None
        self.error: BaseException | None = None


class Gate:
    """Admits calls by API key, and by what a key has signed.

    A forged key fails on its signature and costs no query, nor a place among the verdicts. A
    verdict is kept by the token's SHA-256 for a second, and for a minute more in case the database
    is slow or goes down; that of a busy key is renewed before its second is over. Calls that miss
    with the same key at once share one query. No lock is held over it. ``clock`` tells Unix time,
    ``timer`` the age of verdicts.
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
        # Read without the lock, as reading a dict is atomic. The oldest look comes first.
        self._verdicts: dict[bytes, _Verdict] = {}
        self._by_key: dict[str, _Verdict] = {}
        self._looks: dict[bytes | str, _Look] = {}
        self._ahead: set[bytes | str] = set()
        self._used: dict[str, datetime] = {}
        self._down_until = float("-inf")
        self._hits = self._misses = self._stale = self._refused = 0

    def known(self, token: str | None, scope: Scope) -> Caller | None:
        """Return who calls where that is fresh in memory and they may; ``None``: ask ``admit``."""
        if token is None:
            return None
        verdict = self._fresh(_digest_of(token))
        caller = None if verdict is None else self._caller_now(verdict)
        return caller if caller is not None and scope in caller.scopes else None

    def remembered(self, token: str | None) -> Caller | None:
        """Return who called with ``token`` when it was last looked at, however long ago that is.

        ``None`` where it was not good then, or is not among the last 10,000: nothing is looked up.
        """
        verdict = None if token is None else self._verdicts.get(_digest_of(token))
        return None if verdict is None else self._caller_now(verdict)

    def identify(self, token: str | None) -> Caller | None:
        """Return whose key ``token`` is, whatever it may do; ``None`` where it is not good.

        Raises ``Unavailable`` as ``admit`` does.
        """
        return None if token is None else self._caller_of(token)

    def admit(self, token: str | None, scope: Scope) -> Caller:
        """Return who calls.

        Raises ``Unauthorized`` where the key is missing, forged, unknown, revoked or expired (the
        message does not tell which), ``Forbidden`` where it lacks ``scope``, and ``Unavailable``
        where only the database could tell and is out of reach.
        """
        return self._admitted(self.identify(token), scope)

    def admit_key(self, key_id: str, scope: Scope) -> Caller:
        """Return who calls with what the key ``key_id`` has signed; the signature is checked.

        Raises as ``admit`` does. Where the key's own token was seen within a second, or another
        thing that it has signed, this costs no query.
        """
        verdict = self._by_key.get(key_id)
        age = math.inf if verdict is None else self._timer() - verdict.looked_at
        if verdict is None or age >= FRESH_SECONDS:
            known = verdict if age < FRESH_SECONDS + STALE_SECONDS else None
            verdict = self._look(_Asked(key_id), known)
        else:
            self._hits += 1
        return self._admitted(self._caller_now(verdict), scope)

    def _admitted(self, caller: Caller | None, scope: Scope) -> Caller:
        if caller is None:
            self._refused += 1
            raise Unauthorized(_REFUSAL)
        if scope not in caller.scopes:
            raise Forbidden(
                f"This API key lacks the scope {scope}."
                f" Issue one with: flask --app webapp keys issue --scopes {scope}"
            )
        return caller

    def revoked_among(self, key_ids: Iterable[str]) -> set[str]:
        """Return those of ``key_ids`` that are revoked or expired, by one look at all of them.

        For those who hold on to a caller, such as sockets. While the database is out of reach all
        of them count as good: ask again.
        """
        asked = set(key_ids)
        try:
            return asked - self._keys.good_among(asked)
        except Unavailable:
            return set()

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
        digest = _digest_of(token)
        verdict = self._fresh(digest)
        if verdict is None:
            try:
                verdict = self._after_a_look(token, digest, self._verdicts.get(digest))
            except KeyTokenInvalid:
                return None
        return self._caller_now(verdict)

    def _fresh(self, digest: bytes) -> _Verdict | None:
        # Nearly every call ends up here: two clocks, no lock, nothing is made.
        verdict = self._verdicts.get(digest)
        if verdict is None:
            return None
        age = self._timer() - verdict.looked_at
        if age >= AHEAD_SECONDS:
            if age >= FRESH_SECONDS:
                return None
            self._look_ahead(verdict.asked)
        self._hits += 1
        return verdict

    def _caller_now(self, verdict: _Verdict) -> Caller | None:
        return verdict.caller if self._clock() < verdict.ends_at else None

    def _after_a_look(self, token: str, digest: bytes, known: _Verdict | None) -> _Verdict:
        if known is not None and self._timer() - known.looked_at < FRESH_SECONDS + STALE_SECONDS:
            return self._look(known.asked, known)
        claims = self._signer.verify(token)
        return self._look(_Asked(claims.key_id, digest, claims.expires_at), None)

    def _look(self, asked: _Asked, stale: _Verdict | None) -> _Verdict:
        """Return the verdict of the database, or ``stale`` where there is no other to be had."""
        with self._lock:
            self._misses += 1
            now = self._timer()
            down = now < self._down_until
            look = self._looks.get(asked.name)
            leads = look is None and not down
            if look is None:
                look = _Look(now)
            if leads:
                self._looks[asked.name] = look
        if leads:
            self._begin(look, asked, in_background=stale is not None)
        if not down:
            # Who comes later than that waits no more: a slow database costs nobody more than this.
            patience = max(0.0, look.began_at + PATIENCE_SECONDS - now)
            look.done.wait(patience if stale else None)
        if look.error is not None:
            raise look.error
        return look.verdict or self._fall_back(stale)

    def _look_ahead(self, asked: _Asked) -> None:
        with self._lock:
            now = self._timer()
            if asked.name in self._looks or now < self._down_until:
                return
            if len(self._ahead) >= MAX_AHEAD:
                return
            self._misses += 1
            look = self._looks[asked.name] = _Look(now)
            self._ahead.add(asked.name)
        self._begin(look, asked, in_background=True)

    def _begin(self, look: _Look, asked: _Asked, *, in_background: bool) -> None:
        if not in_background:
            self._lead(look, asked)
            return
        try:
            threading.Thread(target=self._lead, args=(look, asked), daemon=True).start()
        except RuntimeError:
            # No more threads can be had: the next call tries again, this one has a verdict.
            self._end(look, asked)

    def _lead(self, look: _Look, asked: _Asked) -> None:
        try:
            look.verdict = verdict = self._verdict(asked)
            with self._lock:
                self._keep(verdict)
        except Unavailable:
            # Or every call would wait for the same time-out; ``_fall_back`` answers meanwhile.
            with self._lock:
                self._down_until = self._timer() + FRESH_SECONDS
        except BaseException as error:  # noqa: BLE001  every call that waits for it raises it
            look.error = error
        finally:
            self._end(look, asked)

    def _end(self, look: _Look, asked: _Asked) -> None:
        with self._lock:
            del self._looks[asked.name]
            self._ahead.discard(asked.name)
        look.done.set()

    def _keep(self, verdict: _Verdict) -> None:
        asked = verdict.asked
        if asked.digest is not None:
            _put(self._verdicts, asked.digest, verdict)
        if verdict.is_of_key:
            _put(self._by_key, asked.key_id, verdict)
        if verdict.caller is not None:
            self._used[asked.key_id] = datetime.fromtimestamp(self._clock(), UTC)

    def _verdict(self, asked: _Asked) -> _Verdict:
        # Before the query: a revocation after its start is seen by the next look.
        looked_at = self._timer()
        key = self._keys.find(asked.key_id)
        if key is None or key.revoked_at is not None:
            return _Verdict(asked, None, math.inf, looked_at)
        if asked.digest is not None and not hmac.compare_digest(key.digest, asked.digest.hex()):
            return _Verdict(asked, None, math.inf, looked_at, is_of_key=False)
        ends = math.inf if key.expires_at is None else key.expires_at.timestamp()
        if asked.expires_at is not None:
            ends = min(ends, asked.expires_at)
        return _Verdict(asked, Caller(key.app_id, key.id, key.scopes), ends, looked_at)

    def _fall_back(self, stale: _Verdict | None) -> _Verdict:
        if stale is None:
            raise Unavailable("The database that knows the API keys is out of reach. Try again.")
        with self._lock:
            self._stale += 1
        return stale


def _digest_of(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _put(verdicts: dict[Name, _Verdict], name: Name, verdict: _Verdict) -> None:
    known = verdicts.get(name)
    if known is not None and known.looked_at > verdict.looked_at:
        # A look that began before that one, and took longer.
        return
    verdicts.pop(name, None)
    verdicts[name] = verdict
    if len(verdicts) > MAX_VERDICTS:
        del verdicts[next(iter(verdicts))]
