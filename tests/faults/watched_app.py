"""Herald's app, with a door for the tests to what only the process itself can count."""

import gc
import threading
from dataclasses import fields

from eventlet.greenthread import GreenThread
from flask import jsonify
from flask.wrappers import Response

from wsgi import app

__all__ = ["app"]


@app.get("/test/state")
def state() -> Response:
    """Return how many green threads there are, real ones, and each destination's counters."""
    gc.collect()
    return jsonify(
        {
            "green threads": sum(
                isinstance(each, GreenThread) and bool(each) for each in gc.get_objects()
            ),
            "threads": threading.active_count(),
            "counters": {
                name: {
                    each.name: getattr(factory.counters, each.name)
                    for each in fields(factory.counters)
                    if each.name != "writes"
                }
                for name, factory in app.extensions["logger_lib"].factories.items()
            },
        }
    )
