"""A small HTTP server of a test's own, in a thread."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

IDLE_SECONDS = 1
"""How long a connection may say nothing: browsers open some that they may need."""


class QuietHandler(BaseHTTPRequestHandler):
    """Answers, and prints nothing of it."""

    timeout = IDLE_SECONDS

    def log_message(self, format: str, *args: str) -> None:
        """Say nothing."""


class OwnServer:
    """Serves from the beginning of a ``with`` block to its end, at ``url``."""

    def __init__(self, handler: type[QuietHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
