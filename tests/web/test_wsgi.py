"""What the worker promises to a WSGI app (PEP 3333), and to the client about the app's answer."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from tests.services.herald import HeraldServer, wait_until
from tests.services.raw_http import RawAnswer, RawHttp
from tests.web.wsgi_app import BAD_HEADERS, BAD_STATUSES

HOST = b"Host: x\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server of the app of these tests, with an access log."""
    server = HeraldServer(tmp_path_factory.mktemp("wsgi"))
    try:
        server.start("--access-logfile", "-", "tests.web.wsgi_app:app")
        yield server
    finally:
        server.stop()


def request(
    path: str, *fields: str, method: str = "GET", version: str = "1.1", body: bytes = b""
) -> bytes:
    """Return a request as it is sent."""
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def ask(
    server: HeraldServer, path: str, *fields: str, method: str = "GET", version: str = "1.1"
) -> RawAnswer:
    """Send one request and return its answer, after which the connection must serve another."""
    with RawHttp(server.port, request(path, *fields, method=method, version=version)) as client:
        answer = client.answer(to_head=method == "HEAD")
        client.send(request("/one_piece"))
        assert client.answer().body == b"one"
        return answer


def closed_after(server: HeraldServer, sent: bytes) -> RawAnswer:
    """Send this and return the one answer, after which the connection must end."""
    with RawHttp(server.port, sent + request("/one_piece")) as client:
        answer = client.answer()
        assert client.rest() == b""
        assert answer.headers["connection"] == "close"
        return answer


def test_environ(server: HeraldServer) -> None:
    """The app finds what PEP 3333 names, decoded as it says."""
    with RawHttp(server.port) as client:
        client.send(
            request(
                "/a%20b/%c3%a9;c=d//e?f=%20g?h#i",
                "Content-Type: text/plain; charset=utf-8",
                "Content-Length: 3",
                "X-Twice: a",
                "X-Other:  \t spaced \t ",
                "x-twice: b",
                "X-Latin: \xe9",
                "X_Twice: c",
                "X-Empty:",
                method="POST",
                body=b"\x00\xffz",
            )
        )
        told = client.answer().json
        port = str(client.socket.getsockname()[1])
    assert told == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xc3\xa9;c=d//e",
        "QUERY_STRING": "f=%20g?h",
        "RAW_URI": "/a%20b/%c3%a9;c=d//e?f=%20g?h#i",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "0.0.0.0",
        "SERVER_PORT": str(server.port),
        "SERVER_SOFTWARE": told["SERVER_SOFTWARE"],
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": port,
        "CONTENT_TYPE": "text/plain; charset=utf-8",
        "CONTENT_LENGTH": "3",
        "HTTP_HOST": "x",
        "HTTP_X_TWICE": "a,b",
        "HTTP_X_OTHER": "spaced",
        "HTTP_X_LATIN": "\xe9",
        "HTTP_X_EMPTY": "",
        "wsgi.version": [1, 0],
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "body": "\x00\xffz",
    }


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("//a//b", "//a//b", ""),
        ("/?", "/", ""),
        ("/a?b?c", "/a", "b?c"),
        ("/%", "/%", ""),
        ("/%zz%00", "/%zz\0", ""),
        ("http://x/a?b", "/a", "b"),
        ("HTTP://X", "/", ""),
        ("http://x?b", "/", "b"),
    ],
)
def test_targets(server: HeraldServer, target: str, path: str, query: str) -> None:
    """A target leads to its path and query, also where it names the host as proxies are sent it."""
    told = ask(server, target).json
    assert (told["PATH_INFO"], told["QUERY_STRING"]) == (path, query)


def test_options_for_all(server: HeraldServer) -> None:
    """``OPTIONS *`` is a request, and the only one without a path."""
    assert ask(server, "*", method="OPTIONS").json["PATH_INFO"] == "*"


def test_one_request_leaves_nothing_to_the_next(server: HeraldServer) -> None:
    """Fields and bodies belong to their own request, however they are cut on the wire."""
    first = request("/", "Content-Length: 3", "X-A: a", method="POST", body=b"abc")
    second = request("/", "Transfer-Encoding: chunked", "X-B: b", method="POST")
    second += b"4;name=value\r\n\r\n\r\n\r\n03\r\ndef\r\n0\r\nX-Trailer: t\r\n\r\n"
    third = request("/", "X-C: c")
    whole = b"\r\n" + first + second + b"\r\n" + third
    for size in (1, 2, 7, 64, len(whole)):
        with RawHttp(server.port) as client:
            for at in range(0, len(whole), size):
                client.send(whole[at : at + size])
            told = [client.answer().json for _ in range(3)]
        assert [answer["body"] for answer in told] == ["abc", "\r\n\r\ndef", ""]
        fields = [
            {name for name in answer if name.startswith(("HTTP_X", "CONTENT_"))} for answer in told
        ]
        assert fields == [{"CONTENT_LENGTH", "HTTP_X_A"}, {"HTTP_X_B"}, {"HTTP_X_C"}]


def test_many_at_once(server: HeraldServer) -> None:
    """Requests that are sent without waiting are answered in order."""
    with RawHttp(server.port) as client:
        client.send(b"".join(request(f"/{number}") for number in range(500)))
        assert [client.answer().json["PATH_INFO"] for _ in range(500)] == [
            f"/{number}" for number in range(500)
        ]


def test_keep_alive(server: HeraldServer) -> None:
    """HTTP/1.1 goes on unless it is told otherwise, HTTP/1.0 where it is asked to."""
    assert "connection" not in ask(server, "/one_piece", "Connection: Keep-Alive, X").headers
    kept = ask(server, "/one_piece", "Connection: keep-alive", version="1.0")
    assert kept.headers["connection"] == "keep-alive"
    for sent in (
        request("/one_piece", "Connection: close"),
        request("/one_piece", "Connection: X, Close"),
        request("/one_piece", version="1.0"),
        request("/many_pieces", "Connection: keep-alive", version="1.0"),
        b"GET /one_piece HTTP/1.0\r\n\r\n",
    ):
        closed_after(server, sent)


def test_another_upgrade(server: HeraldServer) -> None:
    """Whoever offers to speak another protocol is answered in HTTP/1.1, body and all."""
    fields = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    assert ask(server, "/", *fields).json["HTTP_UPGRADE"] == "h2c"
    with RawHttp(server.port) as client:
        client.send(request("/", *fields, "Content-Length: 3", method="POST", body=b"abc"))
        client.send(
            request("/", *fields, "Transfer-Encoding: chunked", method="POST")
            + b"3\r\ndef\r\n0\r\n\r\n"
        )
        assert [client.answer().json["body"] for _ in range(2)] == ["abc", "def"]


def test_continue(server: HeraldServer) -> None:
    """Who waits to be told to send a body is told; who has sent it, or cannot be told, is not."""
    expects = ("Expect: 100-Continue", "Content-Length: 3")
    with RawHttp(server.port, request("/", *expects, method="POST")) as client:
        assert client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert client.answer().json["body"] == "abc"
        client.send(request("/", *expects, method="POST", body=b"def"))
        assert client.answer().json["body"] == "def"
        client.send(request("/", "Expect: 100-continue", "Transfer-Encoding: chunked"))
        assert client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"0\r\n\r\n")
        assert client.answer().json["body"] == ""
    with RawHttp(server.port, request("/", *expects, method="POST", version="1.0")) as client:
        client.send(b"abc")
        assert client.answer().json["body"] == "abc"


def test_lengths(server: HeraldServer) -> None:
    """One piece is sent with its length, several in chunks; nobody has to close for it."""
    assert ask(server, "/one_piece").headers["content-length"] == "3"
    assert ask(server, "/no_piece").headers["content-length"] == "0"
    many = ask(server, "/many_pieces")
    assert many.headers["transfer-encoding"] == "chunked"
    assert many.body == b"a" + b"b" * 100_000 + b"c"
    server.wait_for_log("closed: many")
    assert ask(server, "/write").body == b"written, written again, returned"
    assert ask(server, "/too_long").body == b"abc"


def test_date(server: HeraldServer) -> None:
    """Every answer has one ``Date``, the server's or the app's; no server is named."""
    headers = ask(server, "/one_piece").headers
    assert abs(parsedate_to_datetime(headers["date"]) - datetime.now(UTC)) < timedelta(seconds=10)
    assert "server" not in headers
    assert ask(server, "/hop_by_hop").headers["date"] == "never"


def test_a_body_in_pieces_to_an_old_client(server: HeraldServer) -> None:
    """HTTP/1.0 knows no chunks: the end of the connection is the end of the body."""
    with RawHttp(server.port, request("/many_pieces", version="1.0")) as client:
        answer = client.answer()
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert len(answer.body) == 100_002


def test_each_piece_is_sent_at_once(server: HeraldServer) -> None:
    """A piece does not wait for the next one."""
    with RawHttp(server.port, request("/step_by_step?here")) as client:
        assert b"chunked" in client.head()
        assert client.chunk() == b"first"
        ask(server, "/ask?here")
        assert client.chunk() == b"second"
        assert client.chunk() == b""


@pytest.mark.parametrize("path", ["/one_piece", "/many_pieces", "/too_long"])
def test_head(server: HeraldServer, path: str) -> None:
    """HEAD is answered as GET would be, without the body."""
    answer = ask(server, path, method="HEAD")
    assert answer.status == 200
    assert "transfer-encoding" not in answer.headers


def test_answers_without_a_body(server: HeraldServer) -> None:
    """204 and 304 have no body, whatever the app gives."""
    no_content = ask(server, "/no_content")
    assert no_content.status == 204
    assert not {"content-length", "transfer-encoding"} & no_content.headers.keys()
    not_modified = ask(server, "/not_modified")
    assert (not_modified.status, not_modified.headers["etag"]) == (304, '"a"')
    assert "transfer-encoding" not in not_modified.headers


def test_the_connection_is_the_servers(server: HeraldServer) -> None:
    """What the app says about the connection is not sent; other headers are, in Latin-1 too."""
    headers = ask(server, "/hop_by_hop").headers
    assert not {"connection", "transfer-encoding", "upgrade"} & headers.keys()
    assert headers["set-cookie"] == "é=1"


def test_second_thoughts(server: HeraldServer) -> None:
    """An app may start another answer as long as nothing was sent."""
    answer = ask(server, "/replaced")
    assert (answer.status, answer.body) == (418, b"short and stout")


@pytest.mark.parametrize(
    "path",
    [
        *("/started_twice", "/never_started", "/raises", "/exits", "/raises_at_first"),
        *(f"/bad_header?{name}" for name in BAD_HEADERS),
        *(f"/bad_status?{name}" for name in BAD_STATUSES),
    ],
)
def test_an_app_that_fails(server: HeraldServer, path: str) -> None:
    """Its failure is answered with 500 in the envelope, and logged; nothing of it is sent."""
    answer = closed_after(server, request(path))
    assert (answer.status, answer.error_code) == (500, "internal_error")
    assert not {"x-a", "x-b"} & answer.headers.keys()
    server.wait_for_log(f"Error handling request GET {path.partition('?')[0]}\n")


def test_what_failed_is_closed(server: HeraldServer) -> None:
    """The pieces of a body are closed, also where making them failed."""
    closed_after(server, request("/raises_at_first"))
    server.wait_for_log("closed: raised at first")


@pytest.mark.parametrize("path", ["/raises_in_pieces", "/replaced_too_late"])
def test_an_app_that_fails_in_the_middle(server: HeraldServer, path: str) -> None:
    """An answer that was begun is cut, so that nobody takes it for whole."""
    with RawHttp(server.port, request(path) + request("/one_piece")) as client:
        assert b"chunked" in client.head()
        assert client.chunk() in {b"begun", b"sent"}
        assert client.rest() == b""
    server.wait_for_log(f"Error handling request GET {path}")


def test_a_body_that_is_too_short(server: HeraldServer) -> None:
    """What comes next would be taken for the rest of it, so nothing does."""
    with RawHttp(server.port, request("/too_short") + request("/one_piece")) as client:
        assert b"Content-Length: 10" in client.head()
        assert client.rest() == b"ab"


def test_a_client_that_goes(server: HeraldServer) -> None:
    """An answer that nobody reads any more ends, and its pieces are closed."""
    with RawHttp(server.port, request("/endless")) as client:
        assert b"chunked" in client.head()
        assert client.chunk() == b"x" * 65_536
    server.wait_for_log("closed: endless")
    assert "Error handling request GET /endless" not in server.log_text()


def test_a_failure_that_nobody_foresaw(server: HeraldServer) -> None:
    """It is answered and logged as the app's own failures are, and the connection ends."""
    failed = closed_after(server, request("/unforeseen"))
    assert (failed.status, failed.error_code) == (500, "internal_error")
    server.wait_for_log("ZeroDivisionError: nobody thought of it")
    ask(server, "/one_piece")


def test_a_failure_behind_the_answer(server: HeraldServer) -> None:
    """What is sent behind an answer would be taken for that to the next request: nothing is."""
    with RawHttp(server.port, request("/not_to_be_logged") + request("/one_piece")) as client:
        assert client.answer().body == b"one"
        assert client.rest() == b""
    server.wait_for_log("Error handling a connection")


def test_a_connection_that_is_taken(server: HeraldServer) -> None:
    """It needs no second descriptor, where none may be left, and is the taker's from then on."""
    with RawHttp(server.port, request("/take_over") + b"unread") as client:
        assert client.head() == b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
        ask(server, "/let_go")
        assert client.rest() == b"unread"


def test_a_client_that_does_not_read(server: HeraldServer) -> None:
    """It holds its place for a while, and not for ever."""
    closed = server.log_text().count("closed: endless")
    with RawHttp(server.port, request("/endless")):
        wait_until(lambda: server.log_text().count("closed: endless") > closed, "the end")


def test_a_client_that_reads_too_slowly(server: HeraldServer) -> None:
    """Whoever takes a little now and then does not hold its place for ever either."""
    closed = server.log_text().count("closed: endless")
    with RawHttp(server.port, request("/endless")) as client:
        assert b"chunked" in client.head()

        def reads_until_closed() -> bool:
            # As much as lets the server send again and again.
            for _ in range(4):
                assert client.chunk()
            return server.log_text().count("closed: endless") > closed

        wait_until(reads_until_closed, "the end")


def test_access_log(server: HeraldServer) -> None:
    """Gunicorn's access log has a line for each answer."""
    with RawHttp(server.port) as client:
        client.send(request("/logged?a=b", "User-Agent: me", "Referer: there"))
        size = len(client.answer().body)
    logged = re.escape(f'"GET /logged?a=b HTTP/1.1" 200 {size} "there" "me"')
    assert re.search(rf"127\.0\.0\.1 - - \[.*\] {logged}", server.wait_for_log("/logged"))
