"""``/auth/register``, ``/auth/apps``, ``/auth/api-key``, ``/auth/revoke``: apps and their keys.

Whose they are is part of every look: what belongs to somebody else answers as what is not there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, request

from logger_lib import JsonObject, JsonValue
from webapp.access.apps import AppDetails, Apps
from webapp.access.key_audit import record_key
from webapp.access.keys import ApiKeys, KeyDetails
from webapp.access.owner_schema import (
    KeyNamed,
    load_app,
    load_app_name,
    load_key,
    load_revocation,
)
from webapp.access.tokens import PREFIX, KeySigner, KeyTokenInvalid
from webapp.audit import Action, AuditTrail
from webapp.errors import NotFound
from webapp.http_errors import json_response
from webapp.json_body import read_json
from webapp.users.users import UserDetails

MAX_GOOD_KEYS = 100
"""How many good keys an app may have when its owner issues another one over HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owning:
    """What owners of apps work with."""

    apps: Apps
    keys: ApiKeys
    signer: KeySigner
    audit: AuditTrail
    current: Callable[[], UserDetails]
    """Returns who is signed in; raises ``Unauthorized`` where nobody is."""


def make_owner_blueprint(owning: Owning) -> Blueprint:
    """Return the blueprint through which the signed-in user has apps and keys."""
    blueprint = Blueprint("apps", __name__, url_prefix="/auth")

    @blueprint.post("/register")
    def register() -> Response:
        owner = owning.current()
        return json_response({"app": _register(owning, owner, read_json(request))}, 201)

    @blueprint.get("/apps")
    def list_apps() -> Response:
        apps: list[JsonValue] = [
            _app_to_wire(app) for app in owning.apps.list_of(owning.current().id)
        ]
        return json_response({"apps": apps})

    @blueprint.post("/api-key")
    def issue() -> Response:
        owner = owning.current()
        return json_response(_issue(owning, owner, read_json(request)), 201)

    @blueprint.get("/api-key")
    def list_keys() -> Response:
        owner = owning.current()
        app = owning.apps.find(load_app_name({**request.args.to_dict()}), owner.id)
        keys: list[JsonValue] = [_key_to_wire(key) for key in owning.keys.list_for(app.id)]
        return json_response({"keys": keys})

    @blueprint.post("/revoke")
    def revoke() -> Response:
        owner = owning.current()
        key = _revoke(owning, owner, load_revocation(read_json(request)))
        return json_response({"key": _key_to_wire(key)})

    @blueprint.after_request
    def kept_by_nobody(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint


def _register(owning: Owning, owner: UserDetails, body: JsonValue) -> JsonObject:
    wanted = load_app(body)
    app = owning.apps.register(wanted["name"], wanted["url"], owner.id)
    owning.audit.record(
        Action.APP_REGISTERED,
        who=owner.id,
        address=request.remote_addr,
        about={"appId": app.id, "appName": app.name},
    )
    return _app_to_wire(app)


def _issue(owning: Owning, owner: UserDetails, body: JsonValue) -> JsonObject:
    wanted = load_key(body)
    app = owning.apps.find(wanted["app_name"], owner.id)
    days = wanted["expires_in_days"]
    issued = owning.keys.issue_for(
        app.id,
        frozenset(wanted["scopes"]),
        wanted["name"],
        None if days is None else datetime.now(UTC) + timedelta(days=days),
        most=MAX_GOOD_KEYS,
    )
    _record(owning, Action.KEY_ISSUED, issued.key, owner)
    return {"apiKey": issued.token, "key": _key_to_wire(issued.key)}


def _revoke(owning: Owning, owner: UserDetails, named: KeyNamed) -> KeyDetails:
    key_id = named.id if named.token is None else _id_in(owning.signer, named.token)
    revoked = owning.keys.revoke(key_id or "", owner.id)
    key = owning.keys.find(key_id or "")
    if key is None:
        raise _no_such_key()
    if revoked:
        _record(owning, Action.KEY_REVOKED, key, owner)
    return key


def _id_in(signer: KeySigner, token: str) -> str:
    try:
        return signer.verify(token).key_id
    except KeyTokenInvalid as error:
        raise _no_such_key() from error


def _no_such_key() -> NotFound:
    return NotFound("There is no such key, or it has expired. List the keys to see their ids.")


def _record(owning: Owning, action: Action, key: KeyDetails, owner: UserDetails) -> None:
    record_key(owning.audit, action, key, who=owner.id, address=request.remote_addr)


def _app_to_wire(app: AppDetails) -> JsonObject:
    return {
        "id": app.id,
        "appName": app.name,
        "appUrl": app.url,
        "timeZone": app.time_zone,
        "createdAt": _moment(app.created_at),
    }


def _key_to_wire(key: KeyDetails) -> JsonObject:
    return {
        "id": key.id,
        "prefix": PREFIX,
        "lastFour": key.last_four,
        "scopes": [str(scope) for scope in sorted(key.scopes)],
        "name": key.name,
        "createdAt": _moment(key.created_at),
        "expiresAt": _moment(key.expires_at),
        "lastUsedAt": _moment(key.last_used_at),
        "revokedAt": _moment(key.revoked_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
