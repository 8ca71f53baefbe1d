"""Whatever is sent to a real server, it neither fails nor dies: bytes, bodies, tokens, frames.

``HERALD_TEST_FUZZ`` multiplies the number of cases.
"""

import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logger_lib import JsonValue
from tests.services.cases import SCALE
from tests.services.herald import HeraldServer
from tests.services.sockets import PING, PONG, UPGRADE, WEBSOCKET_PATH, frame
from webapp.access.scopes import Scope

pytestmark = pytest.mark.timeout(60 * SCALE)
SECONDS = 5.0
SOON = 0.05
"""How long a WebSocket gets to answer what may be no whole frame."""

NOT_IMPLEMENTED = 501
"""What HTTP itself asks for where a transfer coding is not known: no failure."""

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
TRACES = ("Traceback", "[request.failed]", "[socket.failed]", "Error handling")


class Target:
    """A server, and what came of all that was sent to it."""

    def __init__(self, server: HeraldServer) -> None:
        self.server = server
        self.key = server.issue_key(*Scope, app="fuzz")
        self.statuses: Counter[int] = Counter()
        self.cases = 0
        self._pid = server.worker_pid

    def exchange(self, *sent: bytes) -> bytes:
        """Send each piece on one connection, end our side, and return all that is answered."""
        self.cases += 1
        with closing(socket.create_connection(("127.0.0.1", self.server.port), SECONDS)) as client:
            answered = b""
            try:
                for piece in sent:
                    client.sendall(piece)
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused, and closed before the end
            answered += read_all(client)
        for status in STATUS.findall(answered):
            self.statuses[int(status)] += 1
        return answered

    @property
    def failures(self) -> int:
        """How many answers say that the server failed."""
        return sum(
            count
            for status, count in self.statuses.items()
            if status >= 500 and status != NOT_IMPLEMENTED
        )

    @property
    def died(self) -> bool:
        """Whether another worker serves now than at first."""
        return self.server.worker_pids() != [self._pid]


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes; it has to within ``SECONDS``."""
    read = b""
    try:
        while data := client.recv(65_536):
            read += data
    except ConnectionError:
        pass
    return read


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server of these tests' own."""
    with HeraldServer(tmp_path_factory.mktemp("fuzzed")) as server:
        yield server


@contextmanager
def unharmed(server: HeraldServer, what: str) -> Iterator[Target]:
    """Hold that the server neither fails nor dies meanwhile, and publishes as before."""
    target = Target(server)
    printed = len(server.log_text())
    yield target
    told = {trace: server.log_text()[printed:].count(trace) for trace in TRACES}
    print(
        f"fuzzed {what}: {target.cases} cases, {target.failures} of 5xx,"
        f" {int(target.died)} processes died; answers {dict(sorted(target.statuses.items()))}"
    )
    assert target.failures == 0
    assert not target.died
    assert told == dict.fromkeys(TRACES, 0), server.log_text()[printed:][-3000:]
    event: JsonValue = {"event": "after", "data": {}}
    assert server.post("/events", event, target.key).status_code == 202


def cases(count: int) -> settings:
    """Return the settings for ``count`` cases, times the scale."""
    return settings(
        max_examples=count * SCALE, database=None, suppress_health_check=list(HealthCheck)
    )


NAMES = ("event", "data", "room", "rooms", "except", "events", "token", "__proto__", "a\0", "")
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["a", "order.created", "connect", "disconnect", "x" * 201, "\ud800", 2**63]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=4)), inner, max_size=4),
    ),
    max_leaves=12,
)
events: st.SearchStrategy[dict[str, JsonValue]] = st.fixed_dictionaries(
    {"event": st.one_of(st.just("a"), values), "data": st.one_of(st.just({}), values)},
    optional={"room": values, "rooms": values, "except": values, "more": values},
)


def written(value: JsonValue) -> bytes:
    """Return ``value`` as what most take for JSON, lone surrogates and NaN included."""
    return json.dumps(value).encode()


@st.composite
def spoilt(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Draw bytes with a piece cut out of them and another put in, most of the time."""
    data = draw(whole)
    if draw(st.integers(0, 3)) == 0:
        return data
    start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 6))
    put = draw(st.one_of(st.binary(max_size=8), st.sampled_from([b"\r\n", b"\0", b"\xff", b'"'])))
    return data[:start] + put + data[start + length :]


bodies = st.one_of(
    st.binary(max_size=60),
    spoilt(
        st.one_of(
            events.map(written),
            values.map(written),
            st.lists(events, max_size=3).map(lambda items: written({"events": list(items)})),
        )
    ),
)


def request(line: bytes, fields: list[bytes], body: bytes = b"") -> bytes:
    """Return one request with a body of the length that it says."""
    return b"\r\n".join([line, b"Host: x", *fields, b"Content-Length: %d" % len(body), b"", body])


def test_bodies(fuzzed: HeraldServer) -> None:
    """Bodies that are no JSON, or no event, published by a good key."""
    with unharmed(fuzzed, "bodies") as target:
        fields = [b"X-API-Key: " + target.key.encode()]

        @cases(400)
        @given(
            st.sampled_from([b"POST /events HTTP/1.1", b"POST /events/batch HTTP/1.1"]),
            bodies,
            st.sampled_from([*[b"application/json"] * 9, b"application/json; charset=x", b"\xff"]),
        )
        def send(line: bytes, body: bytes, kind: bytes) -> None:
            answered = target.exchange(request(line, [*fields, b"Content-Type: " + kind], body))
            assert STATUS.match(answered)

        send()


def test_searches(fuzzed: HeraldServer) -> None:
    """Queries and ids that are none, read with a good key."""
    with unharmed(fuzzed, "searches") as target:
        names = st.sampled_from(
            ["event", "room", "since", "until", "q", "limit", "cursor", "x", "", "limit%00"]
        )
        texts = st.one_of(st.text(max_size=12), st.integers().map(str), st.floats().map(str))

        @cases(150)
        @given(st.lists(st.tuples(names, texts), max_size=4), st.text(max_size=8))
        def send(query: list[tuple[str, str]], path: str) -> None:
            for url in ("/events", f"/events/{quote(path, errors='replace')}"):
                asked = "&".join(
                    f"{name}={quote(text, errors='surrogatepass')}" for name, text in query
                )
                line = f"GET {url}?{asked} HTTP/1.1".encode()
                assert STATUS.match(
                    target.exchange(request(line, [b"X-API-Key: " + target.key.encode()]))
                )

        send()


def test_requests(fuzzed: HeraldServer) -> None:
    """Bytes that are hardly HTTP: spoilt requests, several in a row, chunks, upgrades."""
    with unharmed(fuzzed, "requests") as target:
        key = b"Authorization: Bearer " + target.key.encode()
        good = [
            request(b"POST /events HTTP/1.1", [key, b"Content-Type: application/json"], b"{}"),
            request(b"GET /events?limit=1 HTTP/1.1", [key, b"Connection: close"]),
            request(b"OPTIONS /events HTTP/1.1", [b"Origin: null"]),
            b"POST /events HTTP/1.1\r\nHost: x\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\n{}\r\n0\r\n\r\n" % key,
            f"GET {WEBSOCKET_PATH} HTTP/1.1\r\nHost: x\r\n".encode()
            + b"".join(f"{name}: {value}\r\n".encode() for name, value in UPGRADE.items())
            + b"\r\n",
            b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 1\r\n\r\n3",
        ]

        @cases(300)
        @given(st.lists(spoilt(st.sampled_from(good)), min_size=1, max_size=3))
        def send(sent: list[bytes]) -> None:
            target.exchange(*sent)

        send()


def test_tokens(fuzzed: HeraldServer) -> None:
    """Keys that were changed, and what never was one: none is let in, in a header or a socket."""
    with unharmed(fuzzed, "tokens") as target:
        good = target.key
        let_in: list[str] = []
        characters = st.characters(codec="latin-1", exclude_characters="\0\r\n")
        pieces = st.text(alphabet=characters, max_size=12)

        @cases(200)
        @given(st.integers(0, len(good)), st.integers(0, 30), pieces, st.booleans())
        def send(start: int, length: int, put: str, is_socket: bool) -> None:
            token = good[:start] + put + good[start + length :]
            if is_socket:
                login = "40" + json.dumps({"token": token})
                answered = upgraded(target, frame(1, login.encode()))
                is_in = b'40{"sid"' in answered
            else:
                field = b"X-API-Key: " + token.encode("latin-1")
                body = b'{"event":"a","data":{}}'
                kind = b"Content-Type: application/json"
                answered = target.exchange(request(b"POST /events HTTP/1.1", [field, kind], body))
                is_in = b" 202 " in answered[:20]
            if is_in and token.strip() != good:
                let_in.append(token)

        send()
        print(f"fuzzed tokens: let in {len(let_in)}")
        assert let_in == []


def upgraded(target: Target, *sent: bytes) -> bytes:
    """Open a WebSocket, send each piece and a ping; return all that is answered until the end."""
    target.cases += 1
    lines = [f"GET {WEBSOCKET_PATH} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in UPGRADE.items()]
    address = ("127.0.0.1", target.server.port)
    with closing(socket.create_connection(address, SECONDS)) as client:
        answered = b""
        try:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            client.sendall(b"".join(sent) + frame(PING, b"end"))
            client.settimeout(SOON)
            while bytes([128 | PONG, 3]) + b"end" not in answered:
                data = client.recv(65_536)
                if not data:
                    break
                answered += data
        except (TimeoutError, ConnectionError):
            pass
        try:
            client.settimeout(SECONDS)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            return answered
        answered += read_all(client)
    assert answered.startswith(b"HTTP/1.1 101 ")
    return answered


def packet(head: str, body: JsonValue) -> bytes:
    """Return an Engine.IO packet with JSON behind its digits."""
    return head.encode() + written(body)


packets = spoilt(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from([b"2", b"3", b"2probe", b"5", b"6", b"1", b"41", b"40", b"40/x,", b"4"]),
        st.builds(
            packet,
            st.sampled_from(["40", "42", "421", "43", "431", "44", "451-", "461-1", "42/x,", "0"]),
            st.one_of(
                values,
                st.tuples(st.sampled_from(["join", "leave", "connect", "x", "*"]), values).map(
                    list
                ),
                st.text(max_size=6).map(lambda room: ["join", {"room": room}]),
            ),
        ),
    )
)
frames = st.one_of(
    packets.map(lambda data: frame(1, data)),
    st.builds(
        frame,
        st.integers(0, 15),
        packets,
        final=st.booleans(),
        masked=st.booleans(),
        reserved=st.integers(0, 7),
    ),
    spoilt(packets.map(lambda data: frame(1, data))),
    st.binary(max_size=20),
)


def test_frames(fuzzed: HeraldServer) -> None:
    """WebSocket frames and Engine.IO packets of all kinds, before and after the login."""
    with unharmed(fuzzed, "frames") as target:
        login = frame(1, b"40" + json.dumps({"token": target.key}).encode())

        @cases(300)
        @given(st.booleans(), st.lists(frames, min_size=1, max_size=4))
        def send(is_logged_in: bool, sent: list[bytes]) -> None:
            upgraded(target, *([login] if is_logged_in else []), *sent)

        send()


def test_polls(fuzzed: HeraldServer) -> None:
    """What is no packet, sent by long polling, before and after the login."""
    with unharmed(fuzzed, "polls") as target:
        path = "/socket.io/?EIO=4&transport=polling"
        login = b"40" + json.dumps({"token": target.key}).encode()

        @cases(100)
        @given(
            st.booleans(), st.lists(packets, min_size=1, max_size=3), st.sampled_from(["0", "x"])
        )
        def send(is_logged_in: bool, sent: list[bytes], sid: str) -> None:
            opened = target.exchange(request(f"GET {path} HTTP/1.1".encode(), []))
            found = re.search(rb'"sid":"([^"]+)"', opened)
            assert found
            chosen = found[1].decode() if sid == "0" else sid
            line = f"POST {path}&sid={chosen} HTTP/1.1".encode()
            if is_logged_in:
                target.exchange(request(line, [], login))
            assert STATUS.match(target.exchange(request(line, [], b"\x1e".join(sent))))

        send()
