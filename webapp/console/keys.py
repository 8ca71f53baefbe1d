"""``POST /console/key``: what the page calls with in the name of one app, for an hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from flask import Blueprint, Response, request

from logger_lib import JsonObject
from webapp.access.apps import Apps
from webapp.access.key_audit import record_key
from webapp.access.owner_schema import load_app_name
from webapp.access.scopes import Scope
from webapp.access.session_keys import SessionKeys
from webapp.audit import Action, AuditTrail
from webapp.http_errors import json_response
from webapp.json_body import read_json
from webapp.users.users import UserDetails

LIFETIME = timedelta(hours=1)
SCOPES = frozenset({Scope.PUBLISH, Scope.SUBSCRIBE, Scope.READ})
NAME = "console"


class Session(Protocol):
    """A sign-in."""

    @property
    def id(self) -> str:
        """Its own for ever."""
        ...

    @property
    def user(self) -> UserDetails:
        """Who has signed in."""
        ...

    @property
    def ends_at(self) -> datetime:
        """Until when it is good, if nobody ends it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIssuing:
    """What issuing takes. ``current`` returns the session; it raises where nobody is signed in."""

    apps: Apps
    keys: SessionKeys
    audit: AuditTrail
    current: Callable[[], Session]


def make_key_blueprint(issuing: KeyIssuing) -> Blueprint:
    """Return the blueprint through which the page has keys."""
    blueprint = Blueprint("console_key", __name__)

    @blueprint.post("/console/key")
    def issue() -> Response:
        live = issuing.current()
        app = issuing.apps.find(load_app_name(read_json(request)), live.user.id)
        response = _key_for(issuing, live, app.id)
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint


def _key_for(issuing: KeyIssuing, live: Session, app_id: str) -> Response:
    wanted_until = min(datetime.now(UTC) + LIFETIME, live.ends_at)
    found = issuing.keys.key_for(app_id, live.id, SCOPES, NAME, wanted_until)
    key = found.issued.key
    if found.is_new:
        who, address = live.user.id, request.remote_addr
        record_key(issuing.audit, Action.KEY_ISSUED, key, who=who, address=address)
    told: JsonObject = {
        "apiKey": found.issued.token,
        "appId": app_id,
        "expiresAt": f"{key.expires_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    return json_response(told, 201 if found.is_new else 200)
