"""Sign-in through an OpenID Connect issuer, by Authlib: state, nonce, PKCE, issuer and audience."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from authlib.integrations.base_client import OAuthError
from authlib.integrations.base_client.errors import MismatchingStateError
from authlib.integrations.flask_client import FlaskOAuth2App, OAuth
from flask import Flask, Response, request, session
from joserfc.errors import JoseError
from requests import RequestException

from logger_lib import JsonObject, JsonValue
from webapp.errors import SignInRefused, Unavailable
from webapp.users.issuer import IssuerSettings
from webapp.users.users import LONGEST_SUBJECT, Identity

MAX_CONVERSATIONS = 20
"""How many requests may wait for the issuer at once; the next one is told to come back."""
MAX_BEGUN = 4
"""How many sign-ins of a browser may be under way: what each has to remember is in the cookie."""
CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 5.0
METADATA_SECONDS = 3600.0
"""How long what the issuer says of itself is believed without asking again."""

_NAME = "issuer"
_STATES = f"_state_{_NAME}_"
_LEEWAY_SECONDS = 60
# With a key that only the issuer has: no shared secret, and never "none".
_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no database holds, or no line shows as it is: control characters, halves of characters, and
what turns the direction of a text around."""
_ERROR_CODE = re.compile(r"[a-z_]{1,64}")
_BEGIN_AGAIN = "Begin again at /auth/google."


class Issuer:
    """One issuer, asked over HTTP with bounded waits.

    ``busy`` and ``unreachable`` count the requests that were told to come back: because too many
    waited for the issuer, and because it did not answer.
    """

    def __init__(
        self, app: Flask, settings: IssuerSettings, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self.url = settings.url
        self.busy = self.unreachable = 0
        self._settings = settings
        self._timer = timer
        self._places = threading.BoundedSemaphore(MAX_CONVERSATIONS)
        self._oauth = OAuth(app)
        self._client: FlaskOAuth2App | None = None
        self._renew_at = 0.0

    def redirect(self, callback_url: str) -> Response:
        """Return the redirect that sends a browser to the issuer, and remember it in the session.

        Raises ``Unavailable`` where the issuer does not answer.
        """
        with self._conversation():
            client = self._checked_client()
            _forget_oldest()
            return client.authorize_redirect(callback_url)

    def identity(self) -> Identity:
        """Return who the issuer says has signed in, from its answer in the current request.

        Raises ``SignInRefused`` where anything of it is not as it has to be, and ``Unavailable``
        where the issuer does not answer.
        """
        with self._conversation():
            client = self._checked_client()
            issuer = _text(client.server_metadata["issuer"])
            # RFC 9207: an answer of somebody else, which was to be taken for this issuer's.
            if request.args.get("iss", issuer) != issuer:
                raise SignInRefused(f"The answer is not from {self.url}. {_BEGIN_AGAIN}")
            token = client.authorize_access_token(
                claims_options={
                    "iss": {"essential": True, "value": issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                leeway=_LEEWAY_SECONDS,
            )
            return self._identity_in(client, token)

    def _identity_in(self, client: FlaskOAuth2App, token: JsonObject) -> Identity:
        # Without an ID token "userinfo" would be what the issuer wrote there, signed by nobody.
        claims = token.get("userinfo") if "id_token" in token else None
        subject = claims.get("sub") if isinstance(claims, dict) else None
        if not isinstance(claims, dict) or not isinstance(subject, str):
            raise SignInRefused(f"{self.url} sent no ID token that names a user.")
        # MySQL would not tell a subject from the same one with a blank at its end.
        if not 0 < len(subject) <= LONGEST_SUBJECT or subject != _shown(subject).strip():
            raise SignInRefused(f"{self.url} names its user by a text that is no subject.")
        if "email" not in claims and "userinfo_endpoint" in client.server_metadata:
            told = client.userinfo(token=token)
            # The ID token is signed; what is told beside it has to be about the same user.
            claims = told if told.get("sub") == subject else claims
        email = _text(claims.get("email"))
        return Identity(
            # As it calls itself: OIDC_ISSUER may lack the slash at the end.
            _text(client.server_metadata["issuer"]),
            subject,
            # Whole or not at all: what is left of an address may be somebody else's.
            email=email if email == _shown(email) else "",
            email_verified=claims.get("email_verified") is True,
            name=_shown(_text(claims.get("name"))),
        )

    def _checked_client(self) -> FlaskOAuth2App:
        if self._client is None or self._timer() >= self._renew_at:
            self._client = self._make_client()
            self._renew_at = self._timer() + METADATA_SECONDS
        return self._client

    def _make_client(self) -> FlaskOAuth2App:
        app = self._oauth.app
        # A registry of its own each time, as Authlib asks an issuer but once what it has to say.
        client = OAuth(app).register(
            _NAME,
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret,
            server_metadata_url=f"{self.url.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid email profile",
                "code_challenge_method": "S256",
                "default_timeout": (CONNECT_SECONDS, ANSWER_SECONDS),
            },
        )
        metadata = client.load_server_metadata()
        issuer = metadata.get("issuer")
        if not isinstance(issuer, str) or issuer.rstrip("/") != self.url.rstrip("/"):
            raise SignInRefused(f"What answers at {self.url} is not it: set OIDC_ISSUER.")
        signed_by = _texts(metadata.get("id_token_signing_alg_values_supported")) or ["RS256"]
        believed: list[JsonValue] = [name for name in signed_by if name in _ALGORITHMS]
        if not believed:
            raise SignInRefused(f"{self.url} signs in no way that can be believed: {signed_by}.")
        metadata["id_token_signing_alg_values_supported"] = believed
        methods = _texts(metadata.get("token_endpoint_auth_methods_supported"))
        if methods and "client_secret_basic" not in methods and "client_secret_post" in methods:
            client.client_kwargs["token_endpoint_auth_method"] = "client_secret_post"  # noqa: S105  a name
        return client

    @contextmanager
    def _conversation(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            self.busy += 1
            raise Unavailable("Many people are signing in. Try again in a moment.")
        try:
            with self._errors_named():
                yield
        finally:
            self._places.release()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except MismatchingStateError as error:
            raise SignInRefused(
                f"This sign-in was not begun in this browser, or long ago. {_BEGIN_AGAIN} The"
                " cookie that it needs goes over HTTPS, and over HTTP to localhost alone."
            ) from error
        except OAuthError as error:
            # Whatever the issuer, or whoever wrote the address, has put there.
            code = error.error if _ERROR_CODE.fullmatch(str(error.error)) else "an error"
            raise SignInRefused(f"{self.url} answered {code}. {_BEGIN_AGAIN}") from error
        except RequestException as error:
            self.unreachable += 1
            raise Unavailable(f"{self.url} does not answer. Try again in a moment.") from error
        except (JoseError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise SignInRefused(
                f"What {self.url} says is not as it has to be ({type(error).__name__})."
                f" {_BEGIN_AGAIN}"
            ) from error


def _forget_oldest() -> None:
    begun = sorted(
        (key for key in session if key.startswith(_STATES)), key=lambda key: session[key]["exp"]
    )
    for key in begun[: max(0, len(begun) - MAX_BEGUN + 1)]:
        session.pop(key)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _shown(text: str) -> str:
    return _NOT_SHOWN.sub("", text)


def _texts(value: JsonValue) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
