"""The peer that Herald is measured against: Flask-SocketIO as its documentation has it.

What Gunicorn serves it with is in ``worker.py``.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import logging  # noqa: E402 - patched first
import os  # noqa: E402
import sys  # noqa: E402
import uuid  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

from flask import Flask, Response, jsonify, make_response, request  # noqa: E402
from flask_socketio import (  # type: ignore[attr-defined] # noqa: E402 - see below
    SocketIO,
    join_room,
)

if TYPE_CHECKING:
    from logger_lib import JsonObject, JsonValue

SILENT = os.environ.get("BENCH_SILENT") == "1"

log = logging.getLogger("stock")
log.setLevel(logging.INFO)
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(logging.Formatter("[%(name)s] %(process)d - %(asctime)s %(message)s"))
log.addHandler(handler)

app = Flask(__name__)
# The stub in typings/ holds what Herald uses, and no more: hence the ignored types.
socketio = SocketIO(app, async_mode="eventlet")  # type: ignore[call-arg]  # see above


@app.post("/events")
def publish() -> Response:
    """Publish one event."""
    answer = publish_one(request.get_json())
    return make_response(jsonify(answer), 422 if "error" in answer else 202)


@app.post("/events/batch")
def publish_batch() -> Response:
    """Publish several."""
    body = request.get_json()
    return make_response(jsonify(results=[publish_one(item) for item in body["events"]]), 202)


@app.get("/health/live")
def live() -> Response:
    """Say that the loop turns."""
    return make_response(jsonify(status="live"))


@socketio.on("join")
def join(body: JsonObject) -> JsonObject:
    """Put the socket into a room."""
    room = str(body["room"])
    join_room(room)
    return {"ok": True, "room": room}


def publish_one(body: JsonValue) -> JsonObject:
    """Check what would hurt, emit, and log as Herald does: the event, then every recipient."""
    match body:
        case {"event": str(event), "data": dict(data), "room": str(room)} if event:
            return emit(event, data, room)
        case {"event": str(event), "data": dict(data), **others} if event and "room" not in others:
            return emit(event, data, None)
        case _:
            return {"error": "send an event, data, and maybe a room"}


def emit(event: str, data: JsonObject, room: str | None) -> JsonObject:
    """Send to the room, or to all."""
    socketio.emit(event, data, to=room)  # type: ignore[attr-defined]  # see above
    event_id = str(uuid.uuid4())
    if not SILENT:
        log.info("[%s] id: %s", event, event_id)
        for sid, _ in socketio.server.manager.get_participants("/", room):
            log.info("[%s] event sent to: %s", event, sid)
    return {"id": event_id, "event": event, "rooms": [room] if room else []}
