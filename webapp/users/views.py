"""``/auth/google``, ``/auth/login``, ``/auth/profile`` and ``/auth/logout``."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from logger_lib import JsonObject
from webapp.audit import Action, AuditTrail
from webapp.errors import HeraldError, NoIssuer, SignInRefused, Unauthorized
from webapp.http_errors import json_response, refused
from webapp.users.current_user import CurrentUser, SignedIn
from webapp.users.login_links import LoginLinks
from webapp.users.oidc import Issuer, require_allowed
from webapp.users.page import sign_in_page, wants_page
from webapp.users.sessions import CSRF_FIELD, Sessions, is_this_host
from webapp.users.user_tokens import UserTokens
from webapp.users.users import UserDetails, Users

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
    current: CurrentUser
    audit: AuditTrail
    issuer: Issuer | None
    allowed: tuple[str, ...] = ()
    """Who may sign in through the issuer; empty: everybody."""
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
    def show_link() -> Response:
        # A button, as whoever looks into mails and chats for bad links would use a link up.
        return sign_in_page(
            issuer=_issuer_url(sign_in),
            refusal="" if _cookie_travels() else _PLAIN_HTTP,
            token=request.args.get("token", ""),
            csrf_field=CSRF_FIELD,
            csrf_token=sign_in.sessions.csrf_token(),
        )

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
                return redirect(url_for("users.show_link"))
            raise

    @blueprint.post("/logout")
    def sign_out() -> Response:
        user = sign_in.current()
        sign_in.sessions.end()
        _record(sign_in, Action.SIGNED_OUT, user.id)
        if wants_page():
            return redirect(url_for("users.show_link"), 303)
        return json_response({"signedOut": True})

    @blueprint.errorhandler(HeraldError)
    def told(error: HeraldError) -> Response:
        answer = refused(error)
        if wants_page():
            page = sign_in_page(issuer=_issuer_url(sign_in), refusal=error.message)
            answer.set_data(page.get_data())
            answer.content_type = page.content_type
        return answer

    @blueprint.after_request
    def kept_by_nobody(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        # The address of a link holds its token.
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return blueprint


def _issuer(sign_in: SignIn) -> Issuer:
    if sign_in.issuer is None:
        raise NoIssuer(_NO_ISSUER)
    return sign_in.issuer


def _issuer_url(sign_in: SignIn) -> str | None:
    return None if sign_in.issuer is None else sign_in.issuer.url


def _cookie_travels() -> bool:
    return request.scheme == "https" or is_this_host(request.host)


def _by_issuer(sign_in: SignIn, issuer: Issuer) -> Response:
    try:
        identity = issuer.identity()
        require_allowed(identity, sign_in.allowed)
    except SignInRefused as error:
        _record(sign_in, Action.SIGN_IN_REFUSED, "", {"issuer": issuer.url, "why": error.message})
        raise
    return _begin_session(sign_in, sign_in.users.sign_in(identity))


def _by_link(sign_in: SignIn, token: str) -> Response:
    user_id = sign_in.links.use(token)
    user = None if user_id is None else sign_in.users.note_sign_in(user_id)
    if user is None:
        _record(sign_in, Action.SIGN_IN_REFUSED, "", {"why": _LINK_IS_OVER})
        raise SignInRefused(_LINK_IS_OVER)
    return _begin_session(sign_in, user)


def _begin_session(sign_in: SignIn, user: UserDetails) -> Response:
    sign_in.sessions.begin(user.id)
    _record(sign_in, Action.SIGNED_IN, user.id, {"issuer": user.issuer, "email": user.email})
    return redirect(url_for("users.profile"), 303)


def _profile(sign_in: SignIn, signed_in: SignedIn) -> Response:
    user, by_cookie = signed_in.user, signed_in.token is None
    # A token is not renewed by itself: whoever steals one has it for its hour.
    token = signed_in.token or sign_in.tokens.issue(user.id)
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
