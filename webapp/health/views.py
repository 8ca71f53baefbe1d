"""``/health/live`` and ``/health/ready``."""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response

from logger_lib import JsonObject
from webapp.errors import HeraldError, Unavailable
from webapp.http_errors import json_response
from webapp.metrics.families import Part


def make_health_blueprint(
    parts: Mapping[str, Callable[[], None]], told: Mapping[str, Part]
) -> Blueprint:
    """Return the blueprint; each of ``parts`` raises where it is not ready.

    What is ``told`` beside them makes nobody unready: a restart would mend nothing of it.
    """
    blueprint = Blueprint("health", __name__, url_prefix="/health")

    @blueprint.get("/live")
    def live() -> Response:
        return json_response({"status": "live"})

    @blueprint.get("/ready")
    def ready() -> Response:
        states: JsonObject = {name: _state(check) for name, check in parts.items()}
        beside: JsonObject = {name: part.seen() for name, part in told.items()}
        if all(state == "ok" for state in states.values()):
            return json_response({"status": "ready", "ready": True, "parts": states, **beside})
        missing = ", ".join(name for name, state in states.items() if state != "ok")
        not_ready = Unavailable(f"not ready: see 'parts' for {missing}")
        body: JsonObject = {
            "status": "not ready",
            "ready": False,
            "parts": states,
            **beside,
            **not_ready.to_wire(),
        }
        response = json_response(body, not_ready.status)
        response.headers["Retry-After"] = str(not_ready.retry_after)
        return response

    return blueprint


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except HeraldError as error:
        return error.message
    except Exception as error:  # noqa: BLE001  whatever a part raises, this is no time for work
        return f"failed: {type(error).__name__}"
    return "ok"
