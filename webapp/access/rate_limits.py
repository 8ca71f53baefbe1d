"""The rate limits: what each is of, and how calls over HTTP are held to it by Flask-Limiter."""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Protocol, cast

from flask import Flask, Response, g, request
from flask_limiter import Limit, Limiter, RequestLimit
from limits import RateLimitItem

from webapp.access.address import address_group
from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.meter import Meter
from webapp.access.windows import Windows

AUTH_PATHS = ("/auth/", "/console/key")
SIGN_IN_PATHS = ("/auth/google", "/auth/login")
"""Whoever signs in is nobody yet, and one account would do to be somebody new each time."""


class Claim(Protocol):
    """What only whoever has signed in can say, or has stolen it. The session may be over."""

    @property
    def session_id(self) -> str:
        """The sign-in."""

    @property
    def user_id(self) -> str:
        """Who has signed in."""


class Caller(Protocol):
    """Who makes the current call to ``AUTH_PATHS``."""

    def claim(self) -> Claim | None:
        """Return whom the call says it is from; nothing is looked up."""

    def user_id(self) -> str | None:
        """Return whom it is from, if that is granted."""


class Kind(StrEnum):
    """What there are limits of."""

    PUBLISH = "publish"
    COLLECT = "collect"
    READ = "read"
    TOKENS = "tokens"
    AUTH = "auth"
    CONNECT = "connect"
    REFUSED = "refused"


_WHAT = {
    Kind.PUBLISH: "too many events are published",
    Kind.COLLECT: "too many hits are collected",
    Kind.READ: "too many calls read the log or the analytics",
    Kind.TOKENS: "too many room tokens are made",
    Kind.AUTH: "too many calls to /auth/ come from this user or address",
    Kind.CONNECT: "too many sockets are opened from this address",
    Kind.REFUSED: "too many keys that are not good come from this address",
}


class RateLimits:
    """Holds the calls of an app to their limits: by key, by address where there is no good key.

    ``rates`` has no entry where there is no limit. ``rules`` says which limit the calls of a
    blueprint fall under; ``AUTH_PATHS`` are under ``Kind.AUTH``. There, and where owners read as
    apps do, the user counts whom ``caller`` names, if any: a call that is refused never does.
    ``sizes`` says how much the current call of a kind counts, where that is more than one. The
    blueprints of ``own_tokens`` take other tokens than keys, and call ``check_key`` for bad ones.
    """

    def __init__(
        self,
        app: Flask,
        rates: Mapping[Kind, RateLimitItem],
        *,
        gate: Gate,
        rules: Mapping[str, Kind],
        sizes: Mapping[Kind, Callable[[], int]],
        redis_url: str | None,
        caller: Caller,
        own_tokens: Collection[str] = (),
    ) -> None:
        self._gate = gate
        self._own_tokens = own_tokens
        self._rules = rules
        self._sizes = sizes
        self._caller = caller
        self._limiter = Limiter(
            self._who,
            default_limits=[
                Limit(
                    self._rate,
                    scope=self._scope,
                    shared=True,
                    cost=self._cost,
                    on_breach=self._breached,
                )
            ],
            strategy="fixed-window",
            storage_uri=f"{Windows.STORAGE_SCHEME[0]}://",
            storage_options={"redis_url": redis_url} if redis_url else None,
        )
        # Before Flask-Limiter, which has the gate look at the key.
        app.before_request(self._check_key_of_call)
        self._limiter.init_app(app)
        app.after_request(self._add_headers)
        self.windows = cast("Windows", self._limiter.storage)
        self._meters = {
            kind: Meter(self.windows, rate, kind, _WHAT[kind]) for kind, rate in rates.items()
        }

    def meter(self, kind: Kind) -> Meter | None:
        """Return what counts for ``kind``, for calls that do not come through Flask."""
        return self._meters.get(kind)

    @property
    def refused(self) -> Mapping[str, int]:
        """How many calls were not granted, by what is limited; without what is not."""
        return {kind.value: meter.refused for kind, meter in self._meters.items()}

    def check_connect(self, address: str | None) -> None:
        """Count a socket that ``address`` opens; raises ``TooManyRequests`` where it may not."""
        meter = self._meters.get(Kind.CONNECT)
        who = address_group(address)
        if meter is not None and not meter.spend(who):
            raise meter.exceeded(who)

    def check_key(self, address: str | None, token: str | None) -> None:
        """Return where ``token`` may be looked at; else raises ``TooManyRequests``.

        It may not where the address has presented too many that were not good. Keys that were good
        when they were last looked at pass, as others may share the address; one that was revoked
        since costs the one look that finds out.
        """
        meter = self._meters.get(Kind.REFUSED)
        if token is None or meter is None:
            return
        who = address_group(address)
        if meter.is_spent(who) and self._gate.remembered(token) is None:
            raise meter.exceeded(who)

    def note_bad_key(self, address: str | None) -> None:
        """Take note that a key that ``address`` has presented was not good."""
        meter = self._meters.get(Kind.REFUSED)
        if meter is not None:
            meter.spend(address_group(address))

    def _check_key_of_call(self) -> None:
        if self._is_by_user():
            return  # no keys there but user tokens, and a limit of its own
        if request.blueprint in self._own_tokens:
            return  # who brings the right one must not suffer for an address that others share
        self.check_key(request.remote_addr, presented_token(request.environ))

    # What Flask-Limiter asks about the current call

    def _meter_of_call(self) -> Meter | None:
        if request.path.startswith(AUTH_PATHS):
            return self._meters.get(Kind.AUTH)
        kind = self._rules.get(request.blueprint or "")
        return None if kind is None else self._meters.get(kind)

    def _rate(self) -> str:
        g.meter = meter = self._meter_of_call()
        return "" if meter is None else repr(meter.rate)

    def _scope(self, endpoint: str) -> str:
        del endpoint
        return _meter().scope

    def _who(self) -> str:
        known = self._user_id() if self._is_by_user() else self._key_id()
        g.is_known = known is not None
        g.who = who = known or address_group(request.remote_addr)
        return who

    def _is_by_user(self) -> bool:
        """Say whether the call comes from who says to be signed in, and not from an app."""
        if request.path.startswith(AUTH_PATHS):
            return True
        # Apps and their owners may read; an owner's call by API key is the app's.
        may_be = self._rules.get(request.blueprint or "") is Kind.READ
        return may_be and "X-API-Key" not in request.headers and self._caller.claim() is not None

    def _user_id(self) -> str | None:
        if request.path.startswith(SIGN_IN_PATHS):
            return None
        claim, meter = self._caller.claim(), _meter()
        # A look costs a query: none for who has used up what there is, or was refused as often.
        if claim is None or meter.is_spent(claim.session_id):
            return None
        if meter.is_spent(claim.user_id):
            raise meter.exceeded(claim.user_id)
        user_id = self._caller.user_id()
        if user_id is None:
            meter.spend(claim.session_id)
        return user_id

    def _key_id(self) -> str | None:
        caller = self._gate.identify(presented_token(request.environ))
        return None if caller is None else caller.key_id

    def _cost(self) -> int:
        # Nobody without a good key has a body looked into.
        size = self._sizes.get(Kind(_meter().scope)) if g.is_known else None
        return 1 if size is None else size()

    def _breached(self, limit: RequestLimit) -> None:
        del limit
        raise _meter().exceeded(g.who)

    def _add_headers(self, response: Response) -> Response:
        if self._limiter.current_limit is not None:
            response.headers.extend(_meter().headers(g.who))
        return response


def _meter() -> Meter:
    return cast("Meter", g.meter)
