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
from webapp.access.keys import KeyDetails
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
        response = json_response(_issue(issuing, live, app.id), 201)
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint


def _issue(issuing: KeyIssuing, live: Session, app_id: str) -> JsonObject:
    expires_at = min(datetime.now(UTC) + LIFETIME, live.ends_at).replace(microsecond=0)
    made = issuing.keys.issue(app_id, live.id, SCOPES, NAME, expires_at)
    for revoked in made.revoked:
        _record(issuing, Action.KEY_REVOKED, revoked, live)
    _record(issuing, Action.KEY_ISSUED, made.issued.key, live)
    return {
        "apiKey": made.issued.token,
        "appId": app_id,
        "expiresAt": f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def _record(issuing: KeyIssuing, action: Action, key: KeyDetails, live: Session) -> None:
    record_key(issuing.audit, action, key, who=live.user.id, address=request.remote_addr)
