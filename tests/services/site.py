"""Somebody's site: pages of another origin than Herald's."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import urlsplit

Answer: TypeAlias = tuple[str, bytes]
"""The type of what is there, and its bytes."""

IDLE_SECONDS = 1
"""How long a connection may say nothing: browsers open some that they may need."""


class Site:
    """A site in a thread of its own; the ``with`` block ends it.

    ``answers`` say what is at some paths; any other one answers with ``page``, so that each address
    of a single-page application is one. Both may be changed while it runs.
    """

    def __init__(self) -> None:
        self.page = "<!doctype html><title>empty</title>"
        self.answers: dict[str, Callable[[], Answer]] = {"/favicon.ico": _icon}
        site = self

        class Handler(BaseHTTPRequestHandler):
            timeout = IDLE_SECONDS

            def do_GET(self) -> None:
                kind, body = site.answer(urlsplit(self.path).path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: str) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def answer(self, path: str) -> Answer:
        """Return the type and the body of what is at ``path``."""
        made = self.answers.get(path)
        return made() if made else ("text/html; charset=utf-8", self.page.encode())

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


def _icon() -> Answer:
    return "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"
