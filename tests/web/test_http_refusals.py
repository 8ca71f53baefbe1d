"""Requests that are none, or that two servers could read in two ways: refused, not smuggled."""

from typing import TypeAlias

import pytest

from tests.services.herald import HeraldServer
from tests.services.raw_http import RawHttp

FOLLOWING = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
CHUNKED = b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def get(*fields: bytes) -> bytes:
    """Return a request with these fields besides its ``Host``."""
    return LIVE + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def post(*fields: bytes, body: bytes = b"") -> bytes:
    """Return a POST with these fields besides its ``Host``."""
    return get(*fields).replace(LIVE, b"POST /events HTTP/1.1\r\n") + body


def line(request_line: bytes) -> bytes:
    """Return a request that begins with this line."""
    return request_line + b"\r\nHost: x\r\n\r\n"


LENGTH = b"Content-Length: 3"
CODING = b"Transfer-Encoding: chunked"

Case: TypeAlias = tuple[str, int, bytes]

LINES: list[Case] = [
    ("no version", 400, b"GET /\r\n\r\n"),
    ("two spaces", 400, line(b"GET  / HTTP/1.1")),
    ("a space at the end", 400, line(b"GET / HTTP/1.1 ")),
    ("a space at the begin", 400, line(b" GET / HTTP/1.1")),
    ("tabs", 400, line(b"GET\t/\tHTTP/1.1")),
    ("a space in the target", 400, line(b"GET /a b HTTP/1.1")),
    ("no target", 400, line(b"GET  HTTP/1.1")),
    ("a control character in the target", 400, line(b"GET /\x01 HTTP/1.1")),
    ("NUL in the target", 400, line(b"GET /\0 HTTP/1.1")),
    ("CR in the target", 400, line(b"GET /\r HTTP/1.1")),
    ("DEL in the target", 400, line(b"GET /\x7f HTTP/1.1")),
    ("8 bits in the target", 400, line("GET /é HTTP/1.1".encode())),
    ("a lowercase method", 400, line(b"get / HTTP/1.1")),
    ("a method that is no token", 400, line(b"GE(T / HTTP/1.1")),
    ("an unknown method", 501, line(b"BREW / HTTP/1.1")),
    ("CONNECT", 501, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"),
    ("GET *", 400, line(b"GET * HTTP/1.1")),
    ("authority-form", 400, line(b"GET x:80 HTTP/1.1")),
    ("a relative target", 400, line(b"GET health/live HTTP/1.1")),
    ("another scheme", 400, line(b"GET ftp://x/ HTTP/1.1")),
    ("another host in the target", 400, line(b"GET http://y/health/live HTTP/1.1")),
    ("a user in the target", 400, line(b"GET http://x@y/health/live HTTP/1.1")),
    ("a target that is no URL", 400, line(b"GET http://[x/ HTTP/1.1")),
    ("HTTP/0.9", 505, line(b"GET / HTTP/0.9")),
    ("HTTP/1.2", 505, line(b"GET / HTTP/1.2")),
    ("HTTP/2.0", 505, line(b"GET / HTTP/2.0")),
    ("HTTP/1.10", 400, line(b"GET / HTTP/1.10")),
    ("http/1.1", 400, line(b"GET / http/1.1")),
    ("another protocol", 400, line(b"GET / ICE/1.0")),
    ("HTTP/2 at once", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("TLS", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("another protocol's greeting", 400, b"\x00\x00\x00\x17"),
    ("the PROXY protocol", 400, b"PROXY TCP4 1.1.1.1 2.2.2.2 3 4\r\n" + get()),
    ("two empty lines first", 400, b"\r\n\r\n" + get()),
    ("an LF first", 400, b"\n" + get()),
    ("a long line", 414, line(b"GET /" + b"a" * 8190 + b" HTTP/1.1")),
    ("a long line without an end", 414, b"GET /" + b"a" * 9000),
]
HEADS: list[Case] = [
    ("bare LF throughout", 400, b"GET /health/live HTTP/1.1\nHost: x\n\n"),
    ("bare LF after the line", 400, b"GET /health/live HTTP/1.1\nHost: x\r\n\r\n"),
    ("bare LF after a field", 400, LIVE + b"Host: x\nA: b\r\n\r\n"),
    ("bare LF at the end", 400, LIVE + b"Host: x\r\n\n"),
    ("bare CR in a value", 400, get(b"A: b\rc")),
    ("bare CR after a field", 400, LIVE + b"Host: x\rA: b\r\n\r\n"),
    ("NUL in a value", 400, get(b"A: b\0c")),
    ("NUL in a name", 400, get(b"A\0: b")),
    ("a control character in a value", 400, get(b"A: \x0b")),
    ("DEL in a value", 400, get(b"A: \x7f")),
    ("a folded field", 400, get(b"A: b\r\n c")),
    ("a folded field, with a tab", 400, get(b"A: b\r\n\tc")),
    ("a folded first line", 400, LIVE + b" Host: x\r\n\r\n"),
    ("a space before the colon", 400, get(b"A : b")),
    ("a tab before the colon", 400, get(b"Content-Length\t: 3")),
    ("no colon", 400, get(b"A")),
    ("no name", 400, get(b": b")),
    ("a name that is no token", 400, get(b"A(b): c")),
    ("8 bits in a name", 400, get(b"\xe9: c")),
    ("no Host", 400, LIVE + b"\r\n"),
    ("two Hosts", 400, get(b"Host: x")),
    ("two Hosts that differ", 400, get(b"host: y")),
    ("a Host with a space", 400, LIVE + b"Host: x y\r\n\r\n"),
    ("a Host with a path", 400, LIVE + b"Host: x/y\r\n\r\n"),
    ("a Host with a user", 400, LIVE + b"Host: x@y\r\n\r\n"),
    ("a Host with a port that is none", 400, LIVE + b"Host: x:a\r\n\r\n"),
    ("two Content-Types", 400, get(b"Content-Type: a/b", b"Content-Type: a/b")),
    ("another expectation", 417, post(b"Expect: miracles", LENGTH, body=b"abc")),
    ("101 fields", 431, get(*[b"A: b"] * 100)),
    ("a long field", 431, get(b"A: " + b"b" * 8190)),
    ("a long head", 431, get(*[b"A: " + b"b" * 8000] * 10)),
    ("a long head without an end", 431, LIVE + (b"A: " + b"b" * 8000 + b"\r\n") * 9),
]
BODIES: list[Case] = [
    ("length and coding", 400, post(LENGTH, CODING, body=b"0\r\n\r\n")),
    ("coding and length", 400, post(CODING, LENGTH, body=b"0\r\n\r\n")),
    ("two lengths", 400, post(LENGTH, LENGTH, body=b"abc")),
    ("two lengths that differ", 400, post(LENGTH, b"Content-Length: 0", body=b"abc")),
    ("a list of lengths", 400, post(b"Content-Length: 3, 3", body=b"abc")),
    ("a signed length", 400, post(b"Content-Length: +3", body=b"abc")),
    ("a negative length", 400, post(b"Content-Length: -3", body=b"abc")),
    ("a hexadecimal length", 400, post(b"Content-Length: 0x3", body=b"abc")),
    ("a length with an underscore", 400, post(b"Content-Length: 1_0", body=b"abc")),
    ("a length with a space", 400, post(b"Content-Length: 1 0", body=b"abc")),
    ("an empty length", 400, post(b"Content-Length:", body=b"abc")),
    ("a length beyond 64 bits", 400, post(b"Content-Length: 99999999999999999999", body=b"abc")),
    ("a length of 20 digits", 400, post(b"Content-Length: " + b"0" * 19 + b"3", body=b"abc")),
    ("a length of thousands", 400, post(b"Content-Length: " + b"0" * 5000 + b"3", body=b"abc")),
    ("two codings", 400, post(CODING, CODING, body=b"0\r\n\r\n")),
    ("chunked twice", 400, post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n")),
    ("chunked is not the last", 400, post(b"Transfer-Encoding: chunked, gzip")),
    ("another coding", 400, post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n")),
    ("identity", 400, post(b"Transfer-Encoding: identity")),
    ("two codings in one", 501, post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    ("a coding with a control", 400, post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n")),
    ("a coding before its time", 400, post(CODING).replace(b"HTTP/1.1", b"HTTP/1.0")),
    ("a size that is none", 400, CHUNKED + b"x\r\n"),
    ("a size with 0x", 400, CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("a signed size", 400, CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n"),
    ("a negative size", 400, CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n"),
    ("an empty size", 400, CHUNKED + b"\r\nabc\r\n0\r\n\r\n"),
    ("a size with a space", 400, CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n"),
    ("a size beyond 64 bits", 400, CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("a size of 17 digits", 400, CHUNKED + b"0" * 16 + b"3\r\nabc\r\n0\r\n\r\n"),
    ("bare LF after a size", 400, CHUNKED + b"3\nabc\r\n0\r\n\r\n"),
    ("bare LF after a chunk", 400, CHUNKED + b"3\r\nabc\n0\r\n\r\n"),
    ("bare LF at the end", 400, CHUNKED + b"3\r\nabc\r\n0\r\n\n"),
    ("no line end after a chunk", 400, CHUNKED + b"3\r\nabc0\r\n\r\n"),
    ("no line end after the size", 400, CHUNKED + b"3xyz\r\n0\r\n\r\n"),
    ("NUL in an extension", 400, CHUNKED + b"3;a\0b\r\nabc\r\n0\r\n\r\n"),
    ("a chunk that is longer", 400, CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    ("bare CR in an extension", 400, CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    ("bare LF in an extension", 400, CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("a long extension", 431, CHUNKED + b"3;" + b"a" * 200_000),
    ("a length as a trailer", 400, CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n"),
    ("a coding as a trailer", 400, CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("a host as a trailer", 400, CHUNKED + b"0\r\nhost: x\r\n\r\n"),
    ("a key as a trailer", 400, CHUNKED + b"0\r\nAuthorization: Bearer x\r\n\r\n"),
    ("a folded trailer", 400, CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n"),
    ("a trailer with NUL", 400, CHUNKED + b"0\r\nA: \0\r\n\r\n"),
    ("bare LF after a trailer", 400, CHUNKED + b"0\r\nA: b\n\r\n"),
    ("101 trailers", 431, CHUNKED + b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n"),
    ("a long trailer", 431, CHUNKED + b"0\r\nA: " + b"b" * 200_000),
]
CODES = {
    400: "malformed_request",
    414: "uri_too_long",
    417: "expectation_failed",
    431: "header_too_large",
    501: "not_implemented",
    505: "http_version_not_supported",
}


@pytest.mark.parametrize(
    ("status", "sent"),
    [pytest.param(status, sent, id=name) for name, status, sent in LINES + HEADS + BODIES],
)
def test_refused(herald: HeraldServer, sent: bytes, status: int) -> None:
    """It is answered once, in the envelope; what follows is not, for the connection ends."""
    with RawHttp(herald.port, sent + FOLLOWING) as client:
        answer = client.answer()
        assert client.rest() == b""
    assert answer.status == status, answer
    assert answer.error_code == CODES[status]
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        pytest.param(status, sent, id=name)
        for name, status, sent in LINES + HEADS + BODIES
        if status == 400
    ],
)
def test_refused_behind_another(herald: HeraldServer, sent: bytes, status: int) -> None:
    """A good request that came with it, before it, is answered as if it were alone."""
    with RawHttp(herald.port, get() + sent + FOLLOWING) as client:
        assert client.answer().json == {"status": "live"}
        assert client.answer().status == status
        assert client.rest() == b""


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        pytest.param(status, sent, id=name)
        for name, status, sent in LINES + HEADS
        if status != 431 and b"\r\n\r\n" not in sent
    ],
)
def test_refused_at_once(herald: HeraldServer, sent: bytes, status: int) -> None:
    """What can become no request any more is not waited for."""
    with RawHttp(herald.port, sent) as client:
        assert client.answer().status == status
        assert client.rest() == b""


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        pytest.param(status, sent.replace(b"GET ", b"HEAD ", 1), id=name)
        for name, status, sent in LINES + HEADS
        if sent.startswith(b"GET ")
    ],
)
def test_refused_without_a_body(herald: HeraldServer, sent: bytes, status: int) -> None:
    """An answer to HEAD has none, a refusal either: it would be taken for the next answer."""
    with RawHttp(herald.port, sent + FOLLOWING) as client:
        answer = client.answer(to_head=True)
        assert client.rest() == b""
    assert answer.status == status
    assert int(answer.headers["content-length"]) > 0


def test_a_refused_head_behind_another(herald: HeraldServer) -> None:
    """Which method it was is not remembered for the next request."""
    with RawHttp(herald.port) as client:
        client.send(get().replace(b"GET", b"HEAD"))
        assert client.answer(to_head=True).status == 200
        client.send(get(b"Host: y"))
        assert client.answer().error_code == "malformed_request"


@pytest.mark.parametrize("name", ["X_Forwarded_For", "Content_Length", "Transfer_Encoding", "_"])
def test_an_underscore_in_a_name(herald: HeraldServer, name: str) -> None:
    """Such a field is not seen: it would pass for the one with a hyphen."""
    with RawHttp(herald.port, get(name.encode() + b": 1")) as client:
        assert client.answer().json == {"status": "live"}


def test_a_sender_that_ends_too_early(herald: HeraldServer) -> None:
    """Half a body is no body: the app does not see it."""
    for sent in (post(b"Content-Length: 10", body=b"{}"), CHUNKED + b"3\r\nab"):
        with RawHttp(herald.port, sent) as client:
            client.socket.shutdown(1)
            assert client.answer().error_code == "malformed_request"


@pytest.mark.parametrize(
    "chunks", [b"1\r\nx\r\n" * 32_769, (b"1;" + b"a" * 8000 + b"\r\nx\r\n") * 2_200]
)
def test_the_smallest_chunks_without_end(herald: HeraldServer, chunks: bytes) -> None:
    """A body costs no more than some chunks, and a few times its content on the wire."""
    with RawHttp(herald.port, CHUNKED) as client:
        client.send(chunks)
        answer = client.answer()
    assert answer.status == 400
    assert b"fewer and larger chunks" in answer.body


def test_as_many_chunks_as_may_be(herald: HeraldServer) -> None:
    """A body in as many chunks is for the app, which wants a key."""
    with RawHttp(herald.port, CHUNKED) as client:
        client.send(b"1\r\nx\r\n" * 32_767 + b"0\r\n\r\n")
        assert client.answer().status == 401
