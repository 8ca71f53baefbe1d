"""Herald's app, with a door for the tests to the list of all that can be called."""

from flask import jsonify
from flask.wrappers import Response

from webapp.realtime.rooms import NAMESPACE
from webapp.realtime.server import SocketServer
from wsgi import app

__all__ = ["app"]

_sockets: SocketServer = app.extensions["socketio"]


@app.get("/test/calls")
def calls() -> Response:
    """Return every endpoint, as ``METHOD rule``, and every Socket.IO event that has a handler."""
    endpoints = [
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith("/test/")
    ]
    events = [*_sockets.server.handlers[NAMESPACE]]
    return jsonify({"endpoints": endpoints, "events": events})
