"""What a client may send to hurt: each is closed or refused at once and harms nobody else."""

import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.realtime.conftest import LISTED_ORIGIN, Clients
from tests.services.herald import HeraldServer
from tests.services.sockets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    SECONDS,
    TEXT,
    UPGRADE,
    WEBSOCKET_PATH,
    RawPolling,
    RawWebSocket,
    frame,
)
from webapp.realtime.connection import MALFORMED

LIMIT = 65_536
SOON = 1.0
MEBIBYTE = 1024 * 1024


def resident_bytes(pid: int) -> int:
    """Return how much memory the process ``pid`` has in use."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


CLOSED_FRAMES = [
    pytest.param([frame(TEXT, b"4" * (LIMIT + 1))], 1009, id="one byte too many"),
    pytest.param(
        [frame(TEXT, b"4" * 32_768, final=False), frame(CONTINUATION, b"4" * 32_769)],
        1009,
        id="one byte too many in two fragments",
    ),
    pytest.param(
        [frame(TEXT, b"4", final=False)] + [frame(CONTINUATION, b"4" * 1024, final=False)] * 64,
        1009,
        id="fragments that never end",
    ),
    pytest.param(
        [frame(TEXT, b"4", final=False)] + [frame(CONTINUATION, b"", final=False)] * 64,
        1009,
        id="empty fragments",
    ),
    pytest.param([b"\x81\xff" + b"\xff" * 8], 1009, id="a frame of 2^64-1 bytes"),
    pytest.param([frame(TEXT, b"40", masked=False)], 1002, id="unmasked"),
    pytest.param([frame(TEXT, b"40", reserved=1)], 1002, id="reserved bit 3"),
    pytest.param([frame(TEXT, b"40", reserved=2)], 1002, id="reserved bit 2"),
    pytest.param([frame(TEXT, b"40", reserved=4)], 1002, id="compressed"),
    pytest.param([frame(3, b"40")], 1002, id="opcode 3"),
    pytest.param([frame(11, b"40")], 1002, id="opcode 11"),
    pytest.param([frame(PING, b"a" * 126)], 1002, id="a ping of 126 bytes"),
    pytest.param([frame(PING, b"", final=False)], 1002, id="a ping in fragments"),
    pytest.param([frame(CONTINUATION, b"40")], 1002, id="continuation first"),
    pytest.param(
        [frame(TEXT, b"4", final=False), frame(TEXT, b"0")], 1002, id="text within fragments"
    ),
    pytest.param([frame(TEXT, b"4\xff\xfe")], 1007, id="not UTF-8"),
    pytest.param([frame(TEXT, b"4\xed\xa0\x80")], 1007, id="a lone surrogate"),
    pytest.param(
        [frame(TEXT, b"4\xf0\x9f", final=False), frame(CONTINUATION, b"\x98")], 1007, id="cut off"
    ),
    pytest.param([frame(CLOSE, b"\x03\xe7")], 1002, id="close code 999"),
    pytest.param([frame(BINARY, b"40")], 1003, id="binary"),
    pytest.param([frame(TEXT, b"")], 1002, id="an empty packet"),
    pytest.param([frame(TEXT, b"x")], 1002, id="no packet"),
    pytest.param([frame(TEXT, b"bAAAA")], 1002, id="base64"),
    pytest.param([frame(TEXT, "٤0".encode())], 1002, id="a digit of another script"),
]


@pytest.mark.parametrize(("sent", "code"), CLOSED_FRAMES)
def test_frames(
    gateway: HeraldServer, key: str, clients: Clients, sent: list[bytes], code: int
) -> None:
    """What RFC 6455 forbids, or is too big, ends the connection within a second, with the code."""
    for client in (clients.raw(gateway), clients.raw(gateway, key)):
        client.socket.sendall(b"".join(sent))
        assert client.end(SOON) == code


PACKETS = [
    pytest.param("42", id="event without data"),
    pytest.param('42["join",{"room":"a"}', id="broken JSON"),
    pytest.param("42[]", id="no name"),
    pytest.param("42{}", id="an object for an event"),
    pytest.param('42[["join"],1]', id="a list for a name"),
    pytest.param("42[null]", id="null for a name"),
    pytest.param('42["connect",{"token":"x"}]', id="the event connect"),
    pytest.param('42["disconnect","x"]', id="the event disconnect"),
    pytest.param('42["*",["x"]]', id="the name of the handler for all others"),
    pytest.param("42" + "[" * 30_000, id="deep nesting"),
    pytest.param('459999-["join",{"_placeholder":true,"num":0}]', id="9999 attachments"),
    pytest.param('451-["join",{"_placeholder":true,"num":0}]', id="one attachment"),
    pytest.param('4599999999999-["a"]', id="too many attachments to count"),
    pytest.param("461-[]", id="a binary acknowledgement"),
    pytest.param("42" + "1" * 101 + '["join",{"room":"a"}]', id="an id of 101 digits"),
    pytest.param("44{}", id="the server's own packet"),
    pytest.param("49", id="no such packet"),
    pytest.param("4x", id="no digit"),
    pytest.param("4", id="an empty message"),
    pytest.param('4{"a":1}', id="an object"),
    pytest.param("4null", id="null"),
    pytest.param("4true", id="true, which equals the type of DISCONNECT"),
    pytest.param("41.0", id="a number that equals it"),
    pytest.param('42²["a"]', id="a digit that is no number"),
]


@pytest.mark.parametrize("sent", PACKETS)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_packets(
    gateway: HeraldServer, key: str, clients: Clients, sent: str, transport: str
) -> None:
    """A Socket.IO packet that no client sends ends the connection within a second."""
    if transport == "websocket":
        client = clients.raw(gateway, key)
        client.send_text(sent)
        client.end(SOON)
    else:
        polling = RawPolling(gateway.url)
        polling.login(key)
        polling.post(sent.encode())
        assert polling.poll(SOON).status_code == 400


HARMLESS = [
    pytest.param('42["join",{"room":"a"}]', id="event before CONNECT"),
    pytest.param('431[{"ok":true}]', id="acknowledgement of nothing"),
    pytest.param("41", id="DISCONNECT before CONNECT"),
    pytest.param("40/admin,", id="another namespace"),
    pytest.param("2", id="a ping"),
    pytest.param("3", id="a pong"),
    pytest.param("3probe", id="a pong with data"),
    pytest.param("5", id="an upgrade of a WebSocket"),
    pytest.param("6", id="a noop"),
    pytest.param("0{}", id="an OPEN packet"),
]


@pytest.mark.parametrize("sent", HARMLESS)
def test_harmless_packets(gateway: HeraldServer, key: str, clients: Clients, sent: str) -> None:
    """What means nothing at its time is passed over, and the client can still log in."""
    client = clients.raw(gateway)
    client.send_text(sent)
    client.send_text("40" + json.dumps({"token": key}))
    while not client.receive().text.startswith("40{"):
        continue


def test_connecting_twice(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """A second CONNECT on one connection is refused and takes no second place."""
    client = clients.raw(gateway, key)
    answer = client.ask_login(key)
    assert answer == '44{"message":"connected already: disconnect first"}'
    assert gateway.post("/events", {"event": "a", "data": {}}, key).json()["recipients"] == 1


def test_leaving_another_namespace(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """A DISCONNECT for a namespace that the client is not in does not take it out of its own."""
    client = clients.raw(gateway, key)
    client.send_text("41/admin,")
    client.join("r")
    assert gateway.post("/events", {"event": "a", "data": {}}, key).json()["recipients"] == 1


def test_whole_message_of_the_limit(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """A message of exactly 64 KiB is read, whole and in 64 fragments."""
    client = clients.raw(gateway, key)
    text = '421["join",{"room":"r"}' + " " * (LIMIT - 24) + "]"
    assert len(text) == LIMIT
    client.send_text(text)
    assert client.receive().text == '431[{"ok":true,"room":"r"}]'
    parts = [text[at : at + 1024].encode() for at in range(0, LIMIT, 1024)]
    for number, part in enumerate(parts):
        client.send_frame(TEXT if number == 0 else CONTINUATION, part, final=number == 63)
        if number == 5:
            client.send_frame(PING, b"amid")
    assert client.receive().opcode == PONG
    assert client.receive().text == '431[{"ok":true,"room":"r"}]'


def test_no_compression(gateway: HeraldServer) -> None:
    """permessage-deflate is not accepted, though every browser offers it."""
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    with RawWebSocket(gateway.port, offer) as client:
        status, headers, _ = client.answer()
    assert status == 101
    assert "sec-websocket-extensions" not in headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Sec-WebSocket-Key": ""}, 400, id="no key"),
        pytest.param({"Sec-WebSocket-Key": "x"}, 400, id="a key that is no base64"),
        pytest.param({"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA"}, 400, id="a key of 15 bytes"),
        pytest.param({"Sec-WebSocket-Key": "\xe9" * 24}, 400, id="a key that is not ASCII"),
        pytest.param({"Connection": "keep-alive"}, 400, id="no Connection: Upgrade"),
        pytest.param({"Upgrade": ""}, 400, id="no Upgrade"),
        pytest.param({"Sec-WebSocket-Version": ""}, 426, id="no version"),
        pytest.param({"Sec-WebSocket-Version": "12"}, 426, id="version 12"),
        pytest.param({"Sec-WebSocket-Version": "x"}, 426, id="version x"),
        pytest.param(
            {"Sec-WebSocket-Version": "", "Sec-WebSocket-Key1": "1 2", "Origin": ""},
            426,
            id="a draft of before",
        ),
    ],
)
def test_upgrade_request(gateway: HeraldServer, headers: dict[str, str], status: int) -> None:
    """An upgrade that cannot be is refused as the client's fault, and keeps no connection."""
    with RawWebSocket(gateway.port, headers) as client:
        got, answered, _ = client.answer()
    assert got == status
    assert ("sec-websocket-version" in answered) == (status == 426)


def test_upgrade_of_http_1_0(gateway: HeraldServer) -> None:
    """A WebSocket needs HTTP/1.1 at least."""
    lines = [f"GET {WEBSOCKET_PATH} HTTP/1.0", *(f"{k}: {v}" for k, v in UPGRADE.items()), "", ""]
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall("\r\n".join(lines).encode())
        assert client.recv(65_536).split()[1] == b"400"


@pytest.mark.parametrize("headers", [{"Sec-WebSocket-Version": ""}, {"Sec-WebSocket-Key": ""}])
def test_upgrade_of_a_polling_session(
    gateway: HeraldServer, key: str, headers: dict[str, str]
) -> None:
    """The upgrade of a polling session is checked alike, and leaves the session as it was."""
    polling = RawPolling(gateway.url)
    path = f"{WEBSOCKET_PATH}&sid={polling.sid}"
    with RawWebSocket(gateway.port, headers, path) as client:
        assert client.answer()[0] in {400, 426}
    assert polling.login(key).startswith("40{")


@pytest.mark.parametrize("probe", [b"x", b"", b"4", b"2", b"5"])
def test_upgrade_without_probe(gateway: HeraldServer, key: str, probe: bytes) -> None:
    """An upgrade that does not begin with a probe ends; the polling session goes on."""
    polling = RawPolling(gateway.url)
    with RawWebSocket(gateway.port, path=f"{WEBSOCKET_PATH}&sid={polling.sid}") as client:
        assert client.answer()[0] == 101
        client.send_frame(TEXT, probe)
        client.end(SOON)
    assert polling.login(key).startswith("40{")


POSTS = [
    pytest.param(b"\x1e".join([b"3"] * 301), id="301 packets"),
    pytest.param(b"", id="nothing"),
    pytest.param(b"4\xff", id="not UTF-8"),
    pytest.param(b"bAAAA", id="binary"),
    pytest.param(b"d=4", id="JSONP"),
    pytest.param(b"x", id="no packet"),
    pytest.param(b"3\x1e", id="an empty packet"),
    pytest.param(b"4" * (LIMIT + 1), id="one byte too many"),
    pytest.param(b"0", id="an OPEN packet"),
]


@pytest.mark.parametrize("body", POSTS)
def test_polling_post(gateway: HeraldServer, body: bytes) -> None:
    """A polling request that holds no packets is answered 400 and ends the connection."""
    polling = RawPolling(gateway.url)
    assert polling.post(body).status_code == 400
    assert polling.poll(SOON).status_code == 400


def test_a_page_reads_why_its_session_ended(gateway: HeraldServer) -> None:
    """A page of a listed site may read the reason, in the answer and in those to later requests."""
    polling = RawPolling(gateway.url)
    url = f"{gateway.url}/socket.io/?EIO=4&transport=polling&sid={polling.sid}"
    for body in (b"x", b"3"):
        answer = requests.post(url, data=body, headers={"Origin": LISTED_ORIGIN}, timeout=SECONDS)
        assert answer.status_code == 400
        assert answer.json() == {"error": {"code": "session_ended", "message": MALFORMED}}
        assert answer.headers["Access-Control-Allow-Origin"] == LISTED_ORIGIN


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?EIO=3&transport=polling",
        "?EIO=4&transport=webtransport",
        "?EIO=4&transport=polling&sid=nobody",
        "?EIO=4&transport=websocket",
        "?EIO=4&transport=polling&j=x",
    ],
)
def test_query(gateway: HeraldServer, query: str) -> None:
    """A query that means nothing is answered 400, by GET and by POST."""
    assert requests.get(f"{gateway.url}/socket.io/{query}", timeout=5).status_code == 400
    assert (
        requests.post(f"{gateway.url}/socket.io/{query}", data=b"3", timeout=5).status_code == 400
    )


def test_flood_of_fragments(gateway: HeraldServer, clients: Clients) -> None:
    """Strangers who send fragments without end fill no memory: each is cut off at 64 KiB."""
    warm_up = clients.raw(gateway)
    _flood(warm_up)
    before = resident_bytes(gateway.worker_pid)
    for _ in range(50):
        _flood(clients.raw(gateway))
    grown = resident_bytes(gateway.worker_pid) - before
    assert grown < 8 * MEBIBYTE, f"{grown / MEBIBYTE:.1f} MiB"


def _flood(client: RawWebSocket) -> None:
    client.send_frame(TEXT, b"4", final=False)
    part = frame(CONTINUATION, b"4" * 32_768, final=False)
    try:
        for _ in range(64):
            client.socket.sendall(part)
    except ConnectionError:
        return
    client.end(SOON)


def test_neighbour_and_output(gateway: HeraldServer, key: str, clients: Clients) -> None:
    """Amid all of it a healthy neighbour misses nothing, and the server prints no traceback."""
    healthy = clients.raw(gateway, key)
    attacks: list[Callable[[], None]] = [
        lambda: clients.raw(gateway).socket.sendall(frame(TEXT, b"4" * (LIMIT + 1))),
        lambda: clients.raw(gateway).send_frame(TEXT, b"x"),
        lambda: clients.raw(gateway, key).send_text('459999-["join"]'),
        lambda: clients.raw(gateway, key).send_text('42["connect",{}]'),
        lambda: clients.raw(gateway, key).cut(),
        lambda: RawPolling(gateway.url).post(b"x").close(),
    ]
    started = time.monotonic()
    for number in range(60):
        attacks[number % len(attacks)]()
        answer = gateway.post("/events", {"event": "tick", "data": {"n": number}}, key)
        assert answer.status_code == 202
        assert healthy.receive_event("tick") == {"n": number}
    assert time.monotonic() - started < 20
    printed = gateway.log_text()
    assert "Traceback" not in printed, printed[printed.index("Traceback") - 500 :][:3000]
    assert "not greened" not in printed
