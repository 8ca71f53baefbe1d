"""Herald's app, with a door for the tests to its counters, and less patience with upgrades."""

from flask import jsonify
from flask.wrappers import Response

from webapp.realtime.server import SocketServer
from wsgi import app

__all__ = ["app"]

sockets: SocketServer = app.extensions["socketio"]
sockets.engine.upgrade_seconds = 1.0


@app.get("/test/disconnects")
def disconnects() -> Response:
    """Return how many connections ended, by reason."""
    return jsonify(dict(sockets.engine.disconnects))
