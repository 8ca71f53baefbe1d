"""The shape of what an owner of apps sends, in a body or a query string."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict, cast
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from logger_lib import JsonObject, JsonValue
from webapp.access.apps import NAME_RULE, is_name
from webapp.access.scopes import Scope
from webapp.errors import ValidationFailed
from webapp.json_number import WholeNumber

MAX_EXPIRY_DAYS = 3650
LONGEST_URL = 2000
DEFAULT_SCOPES = (Scope.PUBLISH, Scope.COLLECT)
"""What a service needs that sends: it can neither listen nor read."""

_LONGEST_TOKEN = 2048


def owners_name(name: str) -> None:
    """Raise ``ValidationError`` unless an app or a key may be called ``name``."""
    if not is_name(name):
        raise ValidationError(NAME_RULE)


def owners_name_or_none(name: str) -> None:
    """Raise ``ValidationError`` unless a key may be called ``name``, which may be empty."""
    if name:
        owners_name(name)


def site_url(url: str) -> None:
    """Raise ``ValidationError`` unless ``url`` is the address of a site."""
    if not (len(url) <= LONGEST_URL and url.isprintable() and " " not in url and _is_site(url)):
        raise ValidationError(
            f"Must be an http:// or https:// address of at most {LONGEST_URL} characters."
        )


def _is_site(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


class _Strict(Schema):
    class Meta:
        """A key that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE


class AppSchema(_Strict):
    """The body of ``POST /auth/register``."""

    name = fields.String(data_key="appName", required=True, validate=owners_name)
    url = fields.String(data_key="appUrl", required=True, validate=site_url)


class KeySchema(_Strict):
    """The body of ``POST /auth/api-key``."""

    app_name = fields.String(data_key="appName", required=True, validate=owners_name)
    scopes = fields.List(
        fields.Enum(Scope, by_value=True),
        validate=validate.Length(1, 100),
        load_default=DEFAULT_SCOPES,
    )
    expires_in_days = WholeNumber(
        data_key="expiresInDays",
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, MAX_EXPIRY_DAYS),
    )
    name = fields.String(load_default="", validate=owners_name_or_none)


class AppNameSchema(_Strict):
    """The query string of ``GET /auth/api-key``, and the body of ``POST /console/key``."""

    app_name = fields.String(data_key="appName", required=True, validate=owners_name)


class RevocationSchema(_Strict):
    """The body of ``POST /auth/revoke``."""

    token = fields.String(data_key="apiKey", validate=validate.Length(1, _LONGEST_TOKEN))
    id = fields.String(validate=validate.Length(1, 100))

    @validates_schema
    def require_one(self, data: Mapping[str, str], **kwargs: bool) -> None:
        """Refuse a body that names no key, or perhaps two."""
        del kwargs
        if len(data) != 1:
            raise ValidationError("Send either apiKey or id.", "apiKey")


class NewApp(TypedDict):
    """What ``AppSchema`` returns."""

    name: str
    url: str


class NewKey(TypedDict):
    """What ``KeySchema`` returns."""

    app_name: str
    scopes: list[Scope]
    expires_in_days: int | None
    name: str


@dataclass(frozen=True, slots=True)
class KeyNamed:
    """A key, named by its token or by its id."""

    token: str | None
    id: str | None


_app, _key, _named, _revocation = AppSchema(), KeySchema(), AppNameSchema(), RevocationSchema()


def load_app(body: JsonValue) -> NewApp:
    """Return the app that ``body`` describes; raises ``ValidationFailed`` by field."""
    return cast("NewApp", _load(_app, body))


def load_key(body: JsonValue) -> NewKey:
    """Return the key that ``body`` asks for; raises ``ValidationFailed`` by field."""
    return cast("NewKey", _load(_key, body))


def load_app_name(asked: JsonValue) -> str:
    """Return the app that a body or query string names; raises ``ValidationFailed`` by field."""
    return str(_load(_named, asked)["app_name"])


def load_revocation(body: JsonValue) -> KeyNamed:
    """Return the key that ``body`` names; raises ``ValidationFailed`` by field."""
    loaded = cast("dict[str, str]", _load(_revocation, body))
    return KeyNamed(loaded.get("token"), loaded.get("id"))


def _load(schema: Schema, body: JsonValue) -> JsonObject:
    if not isinstance(body, dict):
        raise ValidationFailed("send a JSON object")
    try:
        return cast("JsonObject", schema.load(body))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
