"""The eventlet worker that Gunicorn had until version 25, on the base class that version 27 has.

That is what a stock Flask-SocketIO app runs on: nothing of Herald's worker is in it.
"""

from collections.abc import Iterable

import eventlet
from eventlet import hubs
from eventlet.greenio import GreenSocket
from eventlet.greenpool import GreenPool
from eventlet.wsgi import WSGI_LOCAL
from gunicorn.workers.base_async import AsyncWorker


class StockWorker(AsyncWorker):
    """Serves each connection in a green thread."""

    def init_process(self) -> None:
        """Patch, then load the app."""
        hubs.use_hub()
        eventlet.monkey_patch()
        super().init_process()

    def run(self) -> None:
        """Accept and serve until told to stop."""
        acceptors = [
            eventlet.spawn(self._serve, GreenSocket(listener.sock)) for listener in self.sockets
        ]
        while self.alive:
            self.notify()
            eventlet.sleep(1.0)
        self.notify()
        with eventlet.Timeout(self.cfg.graceful_timeout, False):
            for acceptor in acceptors:
                acceptor.kill(eventlet.StopServe())
                acceptor.wait()

    def _serve(self, listener: GreenSocket) -> None:
        pool = GreenPool(self.worker_connections)
        while True:
            try:
                client, address = listener.accept()
            except eventlet.StopServe:
                listener.close()
                pool.waitall()
                return
            pool.spawn(self.handle, listener, client, address)

    def timeout_ctx(self) -> eventlet.Timeout:
        """Bound the wait for the next request."""
        return eventlet.Timeout(self.cfg.keepalive or None, False)

    def is_already_handled(self, respiter: Iterable[bytes]) -> bool:
        """End the connection after a WebSocket, which eventlet has answered on the bare socket."""
        if getattr(WSGI_LOCAL, "already_handled", False):
            raise StopIteration
        return super().is_already_handled(respiter)
