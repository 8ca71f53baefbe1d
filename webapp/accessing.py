"""The composition root's part that joins what says who calls, and what they may."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import Flask

from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.access.rate_limits import Kind, RateLimits
from webapp.access.room_tokens import RoomTokens, RoomTokenSigner
from webapp.access.secret import load_secret
from webapp.access.tokens import KeySigner
from webapp.audit import AuditTrail
from webapp.collect.views import hits_in_call
from webapp.events.views import events_in_call
from webapp.offload import make_offload
from webapp.settings import Settings
from webapp.storage.database import Database
from webapp.users.allowed import Allowed
from webapp.users.current_user import CurrentUser
from webapp.users.issuer import IssuerSettings, issuer_settings
from webapp.users.live_sessions import LiveSessions
from webapp.users.login_links import LoginLinks
from webapp.users.sessions import Sessions, use_session_cookie
from webapp.users.user_tokens import UserTokens
from webapp.users.users import Users
from webapp.users.views import SignIn

if TYPE_CHECKING:
    from webapp.users.oidc import Issuer


@dataclass(frozen=True, slots=True)
class Access:
    """The parts that say who may call."""

    database: Database
    keys: ApiKeys
    gate: Gate
    room_tokens: RoomTokens
    signer: KeySigner
    secret: str = field(repr=False)


def make_access(settings: Settings) -> Access:
    """Return the parts on the database that ``settings`` name, brought up to date."""
    database = Database(settings.database_url, make_offload())
    secret = load_secret(settings)
    signer = KeySigner(secret)
    database.migrate()
    keys = ApiKeys(database, signer)
    gate = Gate(keys, signer)
    room_tokens = RoomTokens(RoomTokenSigner(secret), gate)
    return Access(database, keys, gate, room_tokens, signer, secret)


def make_sign_in(app: Flask, settings: Settings, access: Access, audit: AuditTrail) -> SignIn:
    """Return what people sign in with; ``audit`` is told of it."""
    use_session_cookie(app, access.secret, settings.public_url)
    live, sessions = LiveSessions(access.database), Sessions()
    tokens = UserTokens(access.secret)
    allowed = Allowed(settings.sign_in_allowed)
    issuer = issuer_settings(settings)
    return SignIn(
        users=Users(access.database),
        links=LoginLinks(
            access.database, settings.public_url or f"http://localhost:{settings.port}"
        ),
        tokens=tokens,
        sessions=sessions,
        live=live,
        current=CurrentUser(live, allowed, tokens, sessions),
        audit=audit,
        issuer=None if issuer is None else _make_issuer(app, issuer),
        allowed=allowed,
        public_url=settings.public_url,
    )


def _make_issuer(app: Flask, issuer: IssuerSettings) -> Issuer:
    from webapp.users.oidc import Issuer

    return Issuer(app, issuer)


def make_limits(app: Flask, settings: Settings, access: Access, caller: CurrentUser) -> RateLimits:
    """Have the calls to ``app`` limited; ``caller`` tells who is signed in."""
    rates = {
        Kind.PUBLISH: settings.rate_limit_publish,
        Kind.COLLECT: settings.rate_limit_collect,
        Kind.READ: settings.rate_limit_read,
        Kind.TOKENS: settings.rate_limit_tokens,
        Kind.AUTH: settings.rate_limit_auth,
        Kind.CONNECT: settings.rate_limit_connect,
        Kind.REFUSED: settings.rate_limit_refused,
    }
    return RateLimits(
        app,
        {kind: rate for kind, rate in rates.items() if rate is not None},
        gate=access.gate,
        rules={
            "events": Kind.PUBLISH,
            "collect": Kind.COLLECT,
            "event_log": Kind.READ,
            "analytics": Kind.READ,
            "rooms": Kind.READ,
            "console": Kind.READ,
            "tokens": Kind.TOKENS,
        },
        sizes={Kind.PUBLISH: events_in_call, Kind.COLLECT: hits_in_call},
        redis_url=settings.redis_url,
        caller=caller,
        own_tokens={"metrics"},
    )
