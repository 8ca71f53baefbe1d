"""``/auth/google``, ``/auth/login``, ``/auth/profile`` and ``/auth/logout``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from logger_lib import JsonObject
from webapp.audit import Action, AuditTrail, refused_as
from webapp.errors import HeraldError, NoIssuer, SignInRefused, Unauthorized
from webapp.http_errors import json_response, refused
from webapp.users.allowed import Allowed
from webapp.users.current_user import CurrentUser, SignedIn
from webapp.users.live_sessions import LiveSession, LiveSessions
from webapp.users.login_links import LoginLinks
from webapp.users.logout_schema import is_everywhere
from webapp.users.page import SCRIPT, sign_in_page, wants_page
from webapp.users.sessions import CSRF_FIELD, Sessions, is_this_host
from webapp.users.user_tokens import UserTokens
from webapp.users.users import UserDetails, Users

if TYPE_CHECKING:
    from webapp.users.oidc import Issuer

_NO_ISSUER = (
    "Nobody is configured who could sign people in: set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET,"
    " or OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET. Without them a link signs in once:"
    " flask --app webapp users login-link"
)
_LINK_IS_OVER = (
    "This link was used before, or is older than 15 minutes."
    " Make another one: flask --app webapp users login-link"
)
_PLAIN_HTTP = (
    "This page came over plain HTTP, where a browser does not keep what a sign-in needs, unless"
    " Herald is behind a proxy that speaks HTTPS. Open it by HTTPS, or on localhost."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What signing in and out needs."""

    users: Users
    links: LoginLinks
    tokens: UserTokens
    sessions: Sessions
    live: LiveSessions
    current: CurrentUser
    audit: AuditTrail
    issuer: "Issuer | None"
    allowed: Allowed
    public_url: str | None = None


def make_users_blueprint(sign_in: SignIn) -> Blueprint:
    """Return the blueprint through which people sign in and see who they are."""
    blueprint = Blueprint("users", __name__, url_prefix="/auth")

    @blueprint.get("/google")
    def begin() -> Response:
        base = sign_in.public_url or request.host_url.rstrip("/")
        return _issuer(sign_in).redirect(base + url_for("users.callback"))

    @blueprint.get("/google/callback")
    def callback() -> Response:
        return _by_issuer(sign_in, _issuer(sign_in))

    @blueprint.get("/login")
    def show_button() -> Response:
        # A button, as whoever looks into mails and chats for bad links would use a link up.
        return _page(sign_in, "" if _cookie_travels(sign_in) else _PLAIN_HTTP)

    @blueprint.get("/login.js")
    def script() -> Response:
        return Response(SCRIPT, content_type="text/javascript; charset=utf-8")

    @blueprint.post("/login")
    def use_link() -> Response:
        sign_in.sessions.require_csrf()
        return _by_link(sign_in, request.form.get("token", ""))

    @blueprint.get("/profile")
    def profile() -> Response:
        try:
            return _profile(sign_in, sign_in.current.signed_in())
        except Unauthorized:
            if wants_page():
                return redirect(url_for("users.show_button"))
            raise

    @blueprint.post("/logout")
    def sign_out() -> Response:
        live = sign_in.current.signed_in().session
        ended = _sign_out(sign_in, live, everywhere=is_everywhere(request))
        if wants_page():
            return redirect(url_for("users.show_button"), 303)
        return json_response({"signedOut": True, "sessions": ended})

    @blueprint.errorhandler(HeraldError)
    def told(error: HeraldError) -> Response:
        answer = refused(error)
        if wants_page():
            page = _page(sign_in, error.message)
            answer.set_data(page.get_data())
            answer.content_type = page.content_type
        return answer

    return blueprint


def _issuer(sign_in: SignIn) -> "Issuer":
    if sign_in.issuer is None:
        raise NoIssuer(_NO_ISSUER)
    return sign_in.issuer


def _page(sign_in: SignIn, refusal: str) -> Response:
    return sign_in_page(
        issuer=None if sign_in.issuer is None else sign_in.issuer.url,
        script=url_for("users.script"),
        csrf_field=CSRF_FIELD,
        csrf_token=sign_in.sessions.csrf_token(),
        refusal=refusal,
    )


def _cookie_travels(sign_in: SignIn) -> bool:
    reached = urlsplit(sign_in.public_url or request.host_url)
    return reached.scheme == "https" or is_this_host(reached.netloc)


def _by_issuer(sign_in: SignIn, issuer: "Issuer") -> Response:
    try:
        identity = issuer.identity()
        sign_in.allowed.require(identity)
    except SignInRefused as error:
        refused_as(Action.SIGN_IN_REFUSED, {"issuer": issuer.url, "why": error.message})
        raise
    return _begin_session(sign_in, sign_in.users.sign_in(identity), by="issuer")


def _by_link(sign_in: SignIn, token: str) -> Response:
    user_id = sign_in.links.use(token)
    user = None if user_id is None else sign_in.users.find(user_id)
    why = _LINK_IS_OVER if user is None else sign_in.allowed.why_not(user)
    if user is None or why is not None:
        refused_as(Action.SIGN_IN_REFUSED, {"why": why})
        raise SignInRefused(f"{why}")
    sign_in.users.note_sign_in(user.id)
    return _begin_session(sign_in, user, by="link")


def _begin_session(sign_in: SignIn, user: UserDetails, *, by: str) -> Response:
    live = sign_in.live.begin(user, replaced_id=sign_in.sessions.session_id())
    sign_in.sessions.begin(live.id, user.id)
    about: JsonObject = {"by": by, "issuer": user.issuer, "email": user.email}
    _record(sign_in, Action.SIGNED_IN, user.id, about)
    # A person is shown the console; a program has no use for a page.
    return redirect(url_for("console.page" if wants_page() else "users.profile"), 303)


def _sign_out(sign_in: SignIn, live: LiveSession, *, everywhere: bool) -> int:
    if everywhere:
        ended = sign_in.live.end_all(live.user.id)
    else:
        sign_in.live.end(live.id)
        ended = 1
    sign_in.sessions.end()
    about: JsonObject = {"email": live.user.email, "sessions": ended}
    _record(sign_in, Action.SIGNED_OUT, live.user.id, about)
    return ended


def _profile(sign_in: SignIn, signed_in: SignedIn) -> Response:
    user, by_cookie = signed_in.session.user, signed_in.token is None
    # A token is not renewed by itself: whoever steals one has it for its hour.
    token = signed_in.token or sign_in.tokens.issue(signed_in.session)
    expires_at = datetime.fromtimestamp(token.expires_at, UTC)
    body: JsonObject = {
        "user": {"id": user.id, "email": user.email, "name": user.name, "issuer": user.issuer},
        "token": token.token,
        "expiresAt": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
        "csrfToken": sign_in.sessions.csrf_token() if by_cookie else None,
    }
    return json_response(body)


def _record(sign_in: SignIn, action: Action, who: str, about: JsonObject | None = None) -> None:
    sign_in.audit.record(action, who=who, address=request.remote_addr, about=about)
