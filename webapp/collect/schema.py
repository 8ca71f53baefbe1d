"""The shape of what is collected. Shape only: no lookups, no side effects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Required, TypedDict, cast

from marshmallow import RAISE, Schema, ValidationError, fields

from logger_lib import JsonObject, JsonValue, uuid7
from webapp.collect.addresses import read_address, truncated
from webapp.collect.hit import Hit
from webapp.collect.skew import ISO, TimeRefused, happened_at, read_moment
from webapp.errors import ValidationFailed
from webapp.json_number import as_whole
from webapp.json_object import JsonObjectField
from webapp.names import MAX_NAME, has_control_character, with_few_unknown

MAX_ADDRESS = 8_192
"""Characters of a URL or a referrer; what browsers and servers let pass."""
MAX_MESSAGE_ID = 100
MAX_DEVICE = 100
MAX_USER_AGENT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What the server knows of a call that brings hits."""

    app_id: str
    received_at: int
    address: str | None
    """Of the client."""
    user_agent: str | None
    keeps_addresses: bool
    sent_at: int | None = None
    """What the call says of all of its hits."""


class LineField(fields.Field[str | None]):
    """A line of text; ``null`` and nothing are the same as if it were absent."""

    def __init__(
        self, longest: int, *, data_key: str | None = None, required: bool = False
    ) -> None:
        super().__init__(data_key=data_key, required=required, allow_none=not required)
        self.longest = longest

    def _deserialize(
        self,
        value: JsonValue,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, JsonValue] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> str | None:
        if not value and not self.required and (value is None or value == ""):
            return None
        if not isinstance(value, str):
            raise ValidationError("Must be a string.")
        if not value:
            raise ValidationError("Must not be empty.")
        if len(value) > self.longest:
            raise ValidationError(f"Must have at most {self.longest} characters.")
        if not value.isprintable() and has_control_character(value):
            raise ValidationError("Must have no control characters.")
        return value


class NameField(LineField):
    """A line of text by which something is found again."""

    def _deserialize(
        self,
        value: JsonValue,
        attr: str | None,
        data: Mapping[str, JsonValue] | None,
        **kwargs: bool,
    ) -> str | None:
        name = super()._deserialize(value, attr, data, **kwargs)
        if name is not None and name[-1] == " ":
            raise ValidationError("Must not end in a blank: MySQL would not tell it from without.")
        return name


class AddressField(fields.Field[str | None]):
    """An IP address, v4 or v6."""

    def _deserialize(
        self,
        value: JsonValue,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, JsonValue] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> str | None:
        if value is None or value == "":
            return None
        try:
            return read_address(value if isinstance(value, str) else "")
        except ValueError as error:
            raise ValidationError("Must be an IPv4 or IPv6 address.") from error


class MomentField(fields.Field[int | None]):
    """A time, in ms since 1970 when it is loaded."""

    def _deserialize(
        self,
        value: JsonValue,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, JsonValue] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> int | None:
        if value is None or value == "":
            return None
        moment = as_whole(value)
        if not isinstance(moment, str | int) or isinstance(moment, bool):
            raise ValidationError(ISO)
        try:
            return read_moment(moment)
        except TimeRefused as error:
            raise ValidationError(str(error)) from error


class HitSchema(Schema):
    """One hit, sent alone or in a batch."""

    class Meta:
        """A key that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    event = NameField(MAX_NAME, required=True)
    url = LineField(MAX_ADDRESS)
    referrer = LineField(MAX_ADDRESS)
    device = LineField(MAX_DEVICE)
    ip_address = AddressField(data_key="ipAddress", allow_none=True)
    user_agent = LineField(MAX_USER_AGENT, data_key="userAgent")
    timestamp = MomentField(allow_none=True)
    sent_at = MomentField(data_key="sentAt", allow_none=True)
    user_id = NameField(MAX_NAME, data_key="userId")
    session_id = NameField(MAX_NAME, data_key="sessionId")
    message_id = NameField(MAX_MESSAGE_ID, data_key="messageId")
    metadata = JsonObjectField(allow_none=True)


class LoadedHit(TypedDict, total=False):
    """What the schema returns."""

    event: Required[str]
    url: str | None
    referrer: str | None
    device: str | None
    ip_address: str | None
    user_agent: str | None
    timestamp: int | None
    sent_at: int | None
    user_id: str | None
    session_id: str | None
    message_id: str | None
    metadata: JsonObject | None


_hit_schema = HitSchema()
_fields = {
    # None of them has validators: what they do beside ``_deserialize`` is to look for some.
    str(field.data_key or name): (name, field._deserialize)
    for name, field in _hit_schema.load_fields.items()
}


def load_hit(body: JsonValue, arrival: Arrival) -> Hit:
    """Return the hit that ``body`` describes; raises ``ValidationFailed`` by field."""
    if not isinstance(body, dict):
        raise ValidationFailed('send an object: {"event": "…"}')
    loaded = _load_good(body) or _load_any(body)
    sent_at = loaded.get("sent_at")
    try:
        at = happened_at(
            loaded.get("timestamp"),
            arrival.sent_at if sent_at is None else sent_at,
            arrival.received_at,
        )
    except TimeRefused as error:
        raise ValidationFailed(
            "not what this call takes: see 'fields'", {"timestamp": [str(error)]}
        ) from error
    address = loaded.get("ip_address") or arrival.address
    return Hit(
        app_id=arrival.app_id,
        message_id=loaded.get("message_id") or uuid7(),
        event=loaded["event"],
        at=at,
        received_at=arrival.received_at,
        url=loaded.get("url"),
        referrer=loaded.get("referrer"),
        device=loaded.get("device"),
        ip_address=truncated(address) if address and not arrival.keeps_addresses else address,
        # Nothing where the sender says so: a service that has no visitor is no bot.
        user_agent=loaded.get("user_agent", arrival.user_agent),
        user_id=loaded.get("user_id"),
        session_id=loaded.get("session_id"),
        metadata=loaded.get("metadata"),
    )


def load_sent_at(value: JsonValue) -> int | None:
    """Return the ``sentAt`` of a batch; raises ``ValidationFailed``."""
    try:
        return cast("int | None", _fields["sentAt"][1](value, "sentAt", {}))
    except ValidationError as error:
        raise ValidationFailed(
            "not what this call takes: see 'fields'", {"sentAt": [str(error)]}
        ) from error


def _load_good(body: JsonObject) -> LoadedHit | None:
    """Return what the schema's fields make of ``body``; ``None`` where anything is wrong with it.

    A schema also goes through the fields that are absent, and through hooks that there are none
    of: for a hit that is most of its time.
    """
    loaded: dict[str, JsonValue] = {}
    try:
        for key, value in body.items():
            name, load = _fields[key]
            loaded[name] = load(value, key, body)
    except (KeyError, ValidationError):
        return None
    return cast("LoadedHit", loaded) if "event" in body else None


def _load_any(body: JsonObject) -> LoadedHit:
    try:
        return cast("LoadedHit", _hit_schema.load(with_few_unknown(body, _fields)))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
