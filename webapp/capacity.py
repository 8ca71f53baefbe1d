"""How the places of a process are shared out between sockets and HTTP requests.

Gunicorn counts WebSockets and HTTP requests in one pool (``worker_connections``): full of sockets,
it would not answer ``POST /events`` any more. So there are more places in the pool than sockets
are let in, and a few more connections than sockets so that one too many hears why it is refused.
"""

HTTP_PLACES = 500
"""Requests that are served at once while every socket's place is taken."""


def max_connections(max_sockets: int) -> int:
    """Return how many Engine.IO connections are let in; above it the handshake is refused."""
    return max_sockets + max(100, max_sockets // 10)


def worker_connections(max_sockets: int) -> int:
    """Return the size of the worker's pool."""
    return max_connections(max_sockets) + HTTP_PLACES
