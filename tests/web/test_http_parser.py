"""The reader of requests beside Gunicorn's own parser, which is stricter than most.

What Gunicorn refuses is refused here too, and what both take they understand alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

from gunicorn.config import Config
from gunicorn.http.errors import InvalidChunkExtension, NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.services.cases import SCALE
from tests.web.instructions import most_in_a_turn
from webapp.http.body import ChunkedBody
from webapp.http.bounds import MAX_IN_CHUNKS, READ_AHEAD
from webapp.http.refusal import Refused
from webapp.http.request import check_begin, read_head
from webapp.http.stream import RECEIVE_BYTES

LINES = (
    *(b"GET / HTTP/1.1", b"POST /a?b=c HTTP/1.1", b"POST /%41 HTTP/1.0", b"OPTIONS * HTTP/1.1"),
    *(b"GET http://x/y?z HTTP/1.1", b"GET //a//b HTTP/1.1", b"GET /a#b?c HTTP/1.1"),
    *(b"HEAD /a?b?c#d HTTP/1.1", b"GET /;a=b:c@d[e] HTTP/1.1"),
)
FIELDS = (
    *(b"Host: x", b"Host:x:80", b"Content-Length: 3", b"Content-Length: 0"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked"),
    *(b"Connection: close", b"Connection: keep-alive", b"Connection: upgrade"),
    *(b"Upgrade: websocket", b"Upgrade: h2c", b"X_Forwarded_For: 1", b"X-Forwarded-For: 1"),
    *(b"A: b", b"A: c", b"Content-Type: a/b", b"X: \xe9 \t y", b"TE: trailers"),
)
BODIES = (
    *(b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\n\r\n"),
    *(b"3\r\nabc\r\n0\r\nA: b\r\n\r\n", b"0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    b'3;x="a;b"\r\nabc\r\nA\r\n\r\n\r\n\r\n\r\n\r\n\r\n0;q\r\nX: y\r\nZ:\r\n\r\n',
)
PIECES = (
    *(b"\r", b"\n", b"\r\n", b"\0", b"\t", b" ", b":", b";", b"=", b",", b'"', b"\\", b"\x7f"),
    *(b"\x80", b"_", b"-", b"0", b"3", b"a", b"F", b"+", b"/", b"*", b"%", b"#", b"?", b"\x0b"),
    *(b"HTTP/1.1", b"1.0", b"chunked", b"identity", b"close"),
)


@dataclass(frozen=True, slots=True)
class Read:
    """What a parser takes some bytes for."""

    method: str
    path: str
    query: str
    fields: dict[str, str]
    body: bytes
    rest: bytes
    closes: bool


def read(data: bytes) -> Read | None:
    """Return what Herald takes ``data`` for, if that is all there; raises ``Refused``."""
    data = data.removeprefix(b"\r\n")
    end = data.find(b"\r\n\r\n") + 4
    check_begin(data[: end if end >= 4 else None])
    if end < 4:
        return None
    environ: WSGIEnvironment = {}
    request = read_head(data[:end], environ)
    body, rest = data[end : end + request.length], data[end + request.length :]
    if request.is_chunked:
        chunks = ChunkedBody(10_000, 100_000)
        rest = chunks.feed(rest)
        body = chunks.take()
    if len(body) < request.length or (request.is_chunked and not chunks.is_complete):
        return None
    fields = {
        name.removeprefix("HTTP_"): value
        for name, value in environ.items()
        if name.startswith(("HTTP_", "CONTENT_"))
    }
    return Read(
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        fields,
        body,
        rest,
        not request.keeps_alive,
    )


def config() -> Config:
    """Return Gunicorn's settings as Herald has them."""
    cfg = Config()
    cfg.set("forwarded_allow_ips", "")
    cfg.set("secure_scheme_headers", {})
    cfg.set("http_parser", "python")
    return cfg


CONFIG = config()


def read_by_gunicorn(data: bytes) -> Read:
    """Return what Gunicorn takes ``data`` for; raises ``ParseException`` or ``NoMoreData``."""
    parser = RequestParser(CONFIG, iter([data]), ("127.0.0.1", 1))
    request = next(parser)
    body = request.body.read()
    rest = b"".join(iter(parser.unreader.read, b""))
    fields: dict[str, str] = {}
    for field, value in request.headers:
        name = field.replace("-", "_")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    path = unquote_to_bytes(request.path).decode("latin-1") or "/"
    closes = request.should_close()
    return Read(request.method, path, request.query, fields, body, rest, closes)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Make a request, and break it in up to three places."""
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=6))
    lines = [draw(st.sampled_from(LINES)), b"Host: x", *fields, b"", b""]
    data = b"\r\n".join(lines) + draw(st.sampled_from(BODIES))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 3))
        data = data[:at] + draw(st.sampled_from((b"", *PIECES))) + data[at + cut :]
    return data


@settings(max_examples=600 * SCALE)
@given(data=requests())
@example(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /")
@example(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: x\r\nConnection: close\r\n\r\n")
def test_as_strict_as_gunicorn(data: bytes) -> None:
    """Nothing that Gunicorn refuses is taken, and nothing that both take is read in two ways."""
    try:
        ours = read(data)
    except Refused:
        return
    if ours is None:
        return
    try:
        theirs = read_by_gunicorn(data)
    except InvalidChunkExtension:
        # Its grammar is not looked at: where it ends both see, and nobody reads what it says.
        return
    except (ParseException, NoMoreData) as error:
        raise AssertionError(f"Gunicorn refuses {data!r}") from error
    # Gunicorn looks at the first Connection field alone, and so would close less often; with
    # HTTP/1.0 it may close where the second one asks it not to.
    assert ours == replace(theirs, closes=ours.closes)
    assert ours.closes >= theirs.closes or "HTTP/1.0" in data.decode("latin-1")


def test_what_a_chunk_holds_makes_no_work() -> None:
    """However many line ends there are in it: they are not looked for."""
    body = ChunkedBody(READ_AHEAD, MAX_IN_CHUNKS)
    content = b"\r\n" * (READ_AHEAD // 2)
    wire = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)

    def feed() -> None:
        for at in range(0, len(wire), RECEIVE_BYTES):
            body.feed(wire[at : at + RECEIVE_BYTES])

    assert most_in_a_turn(feed) < 1_000 * len(wire) / RECEIVE_BYTES
    assert body.is_complete
    assert body.take() == content


@given(
    chunks=st.lists(st.sampled_from((b"a", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"x" * 40))),
    trailer=st.sampled_from((b"", b"A: b\r\n", b"A:\r\nB: c\r\n")),
    cuts=st.lists(st.integers(0, 400)),
)
def test_chunks_in_any_pieces(chunks: list[bytes], trailer: bytes, cuts: list[int]) -> None:
    """A body in chunks is the same however it is cut on the wire, and ends where it ends."""
    wire = b"".join(b"%x;a=b\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    wire += b"0\r\n" + trailer + b"\r\n"
    following = b"\r\n\r\nGET /"
    body, unread = ChunkedBody(10_000, 100_000), b""
    ends = [0, *sorted({cut for cut in cuts if cut < len(wire)}), len(wire + following)]
    for begin, end in pairwise(ends):
        assert not unread
        unread = body.feed((wire + following)[begin:end])
    assert body.is_complete
    assert body.take() == b"".join(chunks)
    assert unread == following
