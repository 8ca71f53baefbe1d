"""Somebody's site: pages of another origin than Herald's."""

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.services.own_server import OwnServer, QuietHandler

Answer: TypeAlias = tuple[str, bytes]
"""The type of what is there, and its bytes."""


class Site(OwnServer):
    """A site in a thread of its own; the ``with`` block ends it.

    ``answers`` say what is at some paths; any other one answers with ``page``, so that each address
    of a single-page application is one. Both may be changed while it runs.
    """

    def __init__(self) -> None:
        self.page = "<!doctype html><title>empty</title>"
        self.answers: dict[str, Callable[[], Answer]] = {"/favicon.ico": _icon}
        site = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802  the name is http.server's
                kind, body = site.answer(urlsplit(self.path).path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)

    def answer(self, path: str) -> Answer:
        """Return the type and the body of what is at ``path``."""
        made = self.answers.get(path)
        return made() if made else ("text/html; charset=utf-8", self.page.encode())


def _icon() -> Answer:
    return "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"
