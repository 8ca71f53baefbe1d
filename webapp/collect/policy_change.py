"""How the owner of an app, or the operator, changes how its hits are kept."""

from dataclasses import replace
from typing import TypedDict, cast
from zoneinfo import ZoneInfo

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from logger_lib import JsonObject, JsonValue
from webapp.access.apps import AppDetails
from webapp.audit import Action, AuditTrail
from webapp.collect.policies import LONGEST_RETENTION, AppPolicies, AppPolicy, zone_named
from webapp.errors import ValidationFailed
from webapp.json_number import WholeNumber


class PolicyPatch(TypedDict, total=False):
    """What is to be changed; what is absent stays as it is."""

    time_zone: ZoneInfo
    keeps_addresses: bool
    retention_days: int | None


def _zone(value: JsonValue) -> ZoneInfo:
    try:
        return zone_named(value if isinstance(value, str) else "")
    except ValidationFailed as error:
        raise ValidationError([*(error.fields or {})["time_zone"]]) from error


class PolicySchema(Schema):
    """The body of ``PATCH /auth/apps/<id>/analytics``."""

    class Meta:
        """A key that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    time_zone = fields.Function(
        data_key="timeZone",
        deserialize=_zone,
        metadata={"type": "string", "description": "Such as Europe/Vienna.", "minLength": 1},
    )
    keeps_addresses = fields.Boolean(data_key="keepsAddresses", truthy={True}, falsy={False})
    retention_days = WholeNumber(
        data_key="retentionDays",
        strict=True,
        allow_none=True,
        validate=validate.Range(1, LONGEST_RETENTION),
    )


_schema = PolicySchema()


def load_patch(body: JsonValue) -> PolicyPatch:
    """Return what ``body`` wants changed; raises ``ValidationFailed`` by field."""
    if not isinstance(body, dict) or not body:
        raise ValidationFailed("send what is to change: timeZone, keepsAddresses, retentionDays")
    try:
        return cast("PolicyPatch", _schema.load(body))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error


def change_policy(
    policies: AppPolicies,
    audit: AuditTrail,
    app: AppDetails,
    patch: PolicyPatch,
    *,
    who: str,
    address: str | None,
) -> AppPolicy:
    """Change the policy of ``app`` and write down who did; return what it is now.

    Raises what ``AppPolicies.change`` raises.
    """
    policy = policies.change(app.id, lambda stored: replace(stored, **patch))
    about: JsonObject = {"appId": app.id, "appName": app.name, **policy_to_wire(policy)}
    audit.record(Action.APP_CHANGED, who=who, address=address, about=about)
    return policy


def policy_to_wire(policy: AppPolicy) -> JsonObject:
    """Return what callers are told of a policy."""
    return {
        "timeZone": policy.time_zone.key,
        "keepsAddresses": policy.keeps_addresses,
        "retentionDays": policy.retention_days,
    }
