"""What a client is told whose requests cannot be served by the transport that it has chosen."""

from __future__ import annotations

import engineio

from webapp.errors import envelope
from webapp.realtime.handshake import answer_of

UNKNOWN_TRANSPORT, UNKNOWN_SESSION = 0, 1
"""The numbers that Engine.IO has for these refusals."""

_ON_THE_CLIENT = 'write io(url, {transports: ["websocket"]}) on the client'


def polling_refused() -> engineio.Answer:
    """Return the answer to a polling client where a WebSocket alone is taken."""
    return _refused(
        UNKNOWN_TRANSPORT,
        "transport_not_taken",
        f"long polling is not taken here (SOCKET_TRANSPORTS): {_ON_THE_CLIENT}",
    )


def session_unknown() -> engineio.Answer:
    """Return the answer to a request of a session that this process does not have."""
    return _refused(
        UNKNOWN_SESSION,
        "session_unknown",
        "this process does not have the session: it is over, or the load balancer has sent another "
        f"request of it elsewhere. Then set SOCKET_TRANSPORTS=websocket, and {_ON_THE_CLIENT}",
    )


def _refused(number: int, code: str, message: str) -> engineio.Answer:
    # Number and message in the form that clients of Engine.IO know, beside Herald's own.
    body = {"code": number, "message": message, **envelope(code, message)}
    return answer_of("400 BAD REQUEST", body)
