"""A WSGI app that does what apps may do, and what they may not, behind Herald's worker."""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import cast
from wsgiref.types import StartResponse, WSGIEnvironment

from webapp.http import connection, stream
from webapp.http.request import Request, read_head
from webapp.worker import DRAIN

stream.SEND_SECONDS = 0.5  # less patience with those who do not read
stream.SEND_RATE = 100_000_000  # or too slowly
stream.TURN_SECONDS = 0.0  # a turn for others wherever there may be one


def read_or_fail(head: bytes, environ: WSGIEnvironment) -> Request:
    """Read a head; fail at one in a way in which nothing is known to fail."""
    if head.startswith(b"GET /unforeseen "):
        raise ZeroDivisionError("nobody thought of it")
    return read_head(head, environ)


connection.read_head = read_or_fail  # type: ignore[attr-defined]  # it only imports it

TEXT = [("Content-Type", "text/plain")]


class NoDrain:
    """What the worker asks of an app that has nothing to wait for."""

    def sockets_open(self) -> int:
        """Return that there are none."""
        return 0

    def serving(self, *, is_first: bool) -> None:
        """Say what the tests wait for."""
        del is_first
        say("The log goes to: nowhere")

    def run(
        self, *, requests_open: Callable[[], int], seconds: float, beat: Callable[[], None]
    ) -> bool:
        """Leave at once."""
        del requests_open, seconds, beat
        return True


class App:
    """Answers by path."""

    def __init__(self) -> None:
        self.extensions = {DRAIN: NoDrain()}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path in CASES:
            return CASES[path](environ, start_response)
        return echo(environ, start_response)


def say(text: str) -> None:
    """Print where the tests look."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def fail(_piece: bytes) -> bytes:
    """Raise."""
    raise ValueError("the app fails")


class Pieces:
    """The pieces of a body, which tell when they are closed."""

    def __init__(self, name: str, pieces: Iterable[bytes]) -> None:
        self._name = name
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def close(self) -> None:
        """Say so."""
        say(f"closed: {self._name}")


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    told = {name: value for name, value in environ.items() if isinstance(value, str | bool | tuple)}
    told["body"] = environ["wsgi.input"].read().decode("latin-1")
    body = json.dumps(told).encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def one_piece(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return [b"one"]


def no_piece(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return iter(())


def many_pieces(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return Pieces("many", [b"", b"a", b"", b"b" * 100_000, b"c"])


def step_by_step(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Wait, between two pieces, until the client has asked for the next."""
    import eventlet  # noqa: PLC0415 - patched first

    def pieces() -> Iterator[bytes]:
        name = environ["QUERY_STRING"]
        yield b"first"
        with eventlet.Timeout(10):
            while name not in ASKED:
                eventlet.sleep(0.005)
        yield b"second"

    start_response("200 OK", list(TEXT))
    return pieces()


ASKED: set[str] = set()


def ask(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    ASKED.add(environ["QUERY_STRING"])
    return one_piece(environ, start_response)


def write(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    send = start_response("200 OK", list(TEXT))
    send(b"written, ")
    send(b"")
    send(b"written again, ")
    return [b"returned"]


def too_long(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return [b"ab", b"cdef", b"g"]


def too_short(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    return [b"ab"]


def no_content(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("204 No Content", [("Content-Length", "3")])
    return [b"abc"]


def not_modified(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("304 Not Modified", [("ETag", '"a"')])
    return []


def hop_by_hop(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    headers = [("Connection", "close"), ("Transfer-Encoding", "gzip"), ("Upgrade", "h2c")]
    start_response("200 OK", [*TEXT, *headers, ("Date", "never"), ("Set-Cookie", "é=1")])
    return [b"one"]


def replaced(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    try:
        fail(b"")
    except ValueError:
        start_response("418 I'm a teapot", list(TEXT), sys.exc_info())
    return [b"short and stout"]


def replaced_too_late(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))(b"sent")
    try:
        fail(b"")
    except ValueError:
        start_response("500 Oh", list(TEXT), sys.exc_info())
    return []


def started_twice(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    start_response("200 OK", list(TEXT))
    return []


def never_started(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    return [b"one"]


def raises(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    raise OSError("the app's own")


def exits(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    sys.exit(7)


def raises_in_pieces(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    def pieces() -> Iterator[bytes]:
        yield b"begun"
        yield fail(b"")

    start_response("200 OK", list(TEXT))
    return Pieces("raised", pieces())


def raises_at_first(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return Pieces("raised at first", map(fail, [b"never sent"]))


def endless(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"x" * 65_536

    start_response("200 OK", list(TEXT))
    return Pieces("endless", pieces())


def order(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say the how manieth of these calls this is."""
    ORDER.append(len(ORDER))
    start_response("200 OK", list(TEXT))
    return [str(len(ORDER)).encode()]


ORDER: list[int] = []


def not_to_be_logged(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Have the server fail behind the answer."""
    cast("dict[bytes, bytes]", environ)[b"no"] = b"text"
    return one_piece(environ, start_response)


def take_over(environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """Take the connection while no descriptor is left."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        taken: connection.TakeOver = environ[connection.TAKE_OVER]
        descriptor, unread = taken(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    # Herald's own owner of it writes and closes once the request is over.
    TAKEN.append((descriptor, unread))
    return []


def let_go(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Echo on the connections that were taken, and close them."""
    while TAKEN:
        descriptor, unread = TAKEN.pop()
        os.write(descriptor, unread)
        os.close(descriptor)
    return one_piece(environ, start_response)


TAKEN: list[tuple[int, bytes]] = []


def bad_header(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the header that the query names."""
    name, value = BAD_HEADERS[environ["QUERY_STRING"]]
    start_response("200 OK", [*TEXT, (name, value)])
    return [b"one"]


def bad_status(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the status that the query names."""
    start_response(BAD_STATUSES[environ["QUERY_STRING"]], list(TEXT))
    return [b"one"]


BAD_HEADERS = {
    "a-line-end": ("X-A", "a\r\nX-B: b"),
    "lf": ("X-A", "a\nb"),
    "cr": ("X-A", "a\rb"),
    "nul": ("X-A", "a\0b"),
    "an-emoji": ("X-A", "😀"),
    "a-name-with-a-space": ("X A", "a"),
    "a-name-with-a-line-end": ("X-A\r\n", "a"),
    "an-empty-name": ("", "a"),
    "a-length": ("Content-Length", "three"),
    "a-negative-length": ("Content-Length", "-3"),
}
BAD_STATUSES = {
    "a-line-end": "200 OK\r\nX-A: a",
    "no-number": "OK",
    "four-digits": "2000 OK",
    "an-interim-one": "101 Switching Protocols",
    "an-emoji": "200 😀",
}

CASES: dict[str, Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]] = {
    f"/{case.__name__}": case
    for case in (
        *(one_piece, no_piece, many_pieces, step_by_step, ask, write, too_long, too_short),
        *(no_content, not_modified, hop_by_hop, replaced, replaced_too_late, started_twice),
        *(never_started, raises, exits, raises_in_pieces, raises_at_first, endless),
        *(order, not_to_be_logged, take_over, let_go, bad_header, bad_status),
    )
}

app = App()
