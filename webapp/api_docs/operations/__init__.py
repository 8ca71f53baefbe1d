"""The operations of the API, and the routes that are none."""

from collections.abc import Mapping

from webapp.api_docs.operation import Operation
from webapp.api_docs.operations.analytics import ANALYTICS
from webapp.api_docs.operations.collect import COLLECT
from webapp.api_docs.operations.events import EVENTS
from webapp.api_docs.operations.health import HEALTH
from webapp.api_docs.operations.owners import OWNERS
from webapp.api_docs.operations.rooms import ROOMS
from webapp.api_docs.operations.sign_in import SIGN_IN

OPERATIONS: tuple[Operation, ...] = (
    *EVENTS,
    *ROOMS,
    *COLLECT,
    *ANALYTICS,
    *SIGN_IN,
    *OWNERS,
    *HEALTH,
)

LEFT_OUT: Mapping[str, str] = {
    "GET /openapi.json": "the document itself",
    "GET /asyncapi.json": "the other document",
    "GET /api-docs": "a page for people",
    "GET /api-docs/socketio": "a page for people",
    "GET /api-docs/files/{}": "what these pages are made of",
    "GET /": "the console, a page for people",
    "GET /console/{}": "what that page is made of",
    "POST /console/key": "that page's own: programs have keys of their owner's",
    "GET /herald.js": "the tracker, a script that pages load",
    "GET /auth/login": "a page for people",
    "GET /auth/login.js": "what that page is made of",
    "POST /auth/login": "the form of that page, with a token that stands in it",
}
"""Routes that no program calls, each with the reason why it is not in the document."""
