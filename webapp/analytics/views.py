"""``/analytics/…``: what was collected, counted and exported, and one user's part of it erased."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.scopes import Scope
from webapp.access.tokens import PREFIX
from webapp.analytics.analyst import Analyst, Question
from webapp.analytics.asked_apps import Asker
from webapp.analytics.erasing import UserErasing
from webapp.analytics.export import CONTENT_TYPES, export_hits
from webapp.analytics.question_schema import (
    load_breakdown,
    load_event_summary,
    load_export,
    load_overview,
    load_timeseries,
    load_top_events,
    load_user,
    load_user_stats,
)
from webapp.http_errors import json_response
from webapp.storage.database import Database
from webapp.users.users import UserDetails

Arguments: TypeAlias = MultiDict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analytics:
    """What the questions are answered with."""

    gate: Gate
    current: Callable[[], UserDetails]
    """Returns who is signed in; raises ``Unauthorized`` where nobody is."""
    analyst: Analyst
    exported: Database
    """What exports are read from: apart from the analyst's, as they take long."""
    erasing: UserErasing

    def close(self) -> None:
        """Close the connections of the questions."""
        self.analyst.close()
        self.exported.close()


def make_analytics_blueprint(analytics: Analytics) -> Blueprint:
    """Return the blueprint through which apps and their owners read what was collected."""
    blueprint = Blueprint("analytics", __name__, url_prefix="/analytics")

    def answer(load: Callable[[Arguments], tuple[str | None, Question]]) -> Response:
        asker = _asker(analytics)
        app_id, question = load(request.args)
        found = analytics.analyst.answer(asker.about(app_id), question)
        return Response(found, content_type="application/json")

    @blueprint.get("/event-summary")
    def event_summary() -> Response:
        return answer(load_event_summary)

    @blueprint.get("/user-stats")
    def user_stats() -> Response:
        return answer(load_user_stats)

    @blueprint.get("/timeseries")
    def timeseries() -> Response:
        return answer(load_timeseries)

    @blueprint.get("/top-events")
    def top_events() -> Response:
        return answer(load_top_events)

    @blueprint.get("/overview")
    def overview() -> Response:
        return answer(load_overview)

    @blueprint.get("/breakdown")
    def breakdown() -> Response:
        return answer(load_breakdown)

    @blueprint.get("/export")
    def export() -> Response:
        asker = _asker(analytics)
        app_id, asked = load_export(request.args)
        pieces = export_hits(analytics.exported, asker.about(app_id), asked)
        response = Response(pieces, content_type=CONTENT_TYPES[asked.wanted])
        response.headers["Content-Disposition"] = f'attachment; filename="hits.{asked.wanted}"'
        return response

    @blueprint.delete("/users")
    def erase_user() -> Response:
        owner = analytics.current()
        app_id, user_id = load_user(request.args)
        erased = analytics.erasing.erase(Asker(app_id, owner.id), user_id, request.remote_addr)
        return json_response({"deletedHits": erased.hits, "isComplete": erased.is_complete})

    @blueprint.after_request
    def kept_by_nobody(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint


def _asker(analytics: Analytics) -> Asker:
    """Return who makes the call: an app by a key with the scope ``read``, or who is signed in.

    A key, or what looks like one, is believed or refused, never passed over for a cookie.
    """
    token = presented_token(request.environ)
    if token is None or not (token.startswith(PREFIX) or "X-API-Key" in request.headers):
        return Asker(None, analytics.current().id)
    return Asker(analytics.gate.admit(token, Scope.READ).app_id, None)
