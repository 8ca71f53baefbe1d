"""Herald's worker without what it does to requests, which eventlet's own WebSockets do not bear.

They want the bare socket of the client, and say through a thread-local that they have answered on
it. What is left is the loop that accepts: that of the worker which Gunicorn had until version 25.
"""

import socket
from collections.abc import Iterable

from eventlet.wsgi import WSGI_LOCAL
from gunicorn.http.message import Request
from gunicorn.workers.base_async import AsyncWorker

from webapp.worker import EventletWorker


class StockWorker(EventletWorker):
    """Serves a stock Flask-SocketIO app."""

    def handle_request(
        self,
        listener_name: tuple[str, int],
        req: Request,
        sock: socket.socket,
        addr: tuple[str, int],
    ) -> bool:
        """Serve one request as Gunicorn does."""
        return AsyncWorker.handle_request(self, listener_name, req, sock, addr)

    def is_already_handled(self, respiter: Iterable[bytes]) -> bool:
        """End the connection after a WebSocket, as Gunicorn's eventlet worker did."""
        if getattr(WSGI_LOCAL, "already_handled", False):
            raise StopIteration
        return AsyncWorker.is_already_handled(self, respiter)
