"""Clients that speak Engine.IO byte by byte, and so can say what no library would."""

import json
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import requests

from logger_lib import JsonValue

MASK = b"\x37\xfa\x21\x3d"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUATION = 0
WEBSOCKET_PATH = "/socket.io/?EIO=4&transport=websocket"
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
SECONDS = 5.0


class Ended(Exception):
    """The server has closed the connection, without a word or in mid-frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One WebSocket frame from the server."""

    opcode: int
    payload: bytes

    @property
    def text(self) -> str:
        """The payload of a text frame."""
        assert self.opcode == TEXT, self
        return self.payload.decode()


class RawWebSocket:
    """A WebSocket to ``/socket.io/`` on a plain socket."""

    def __init__(
        self,
        port: int,
        headers: dict[str, str] | None = None,
        path: str = WEBSOCKET_PATH,
        sent_ahead: bytes = b"",
    ) -> None:
        """Ask for a WebSocket, and send ``sent_ahead`` with the asking."""
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._buffer = b""
        given = {"Host": f"127.0.0.1:{port}", **UPGRADE, **(headers or {})}
        lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items() if v), "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + sent_ahead)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer to the handshake."""
        while b"\r\n\r\n" not in self._buffer:
            self._read_more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        return int(status.split()[1]), headers, self._take(int(headers.get("content-length", 0)))

    def open(self) -> Self:
        """Read the answer to the handshake and the OPEN packet."""
        status, _, body = self.answer()
        assert status == 101, (status, body)
        assert self.receive().text[0] == "0"
        return self

    def login(self, token: str | None) -> str:
        """Connect to the namespace and return the socket's id."""
        answer = self.ask_login(token)
        assert answer.startswith("40{"), answer
        return str(json.loads(answer[2:])["sid"])

    def ask_login(self, token: str | None) -> str:
        """Send CONNECT and return the packet that answers it."""
        self.send_text("40" if token is None else "40" + json.dumps({"token": token}))
        return self.receive().text

    def join(self, room: str) -> None:
        """Join ``room``."""
        self.send_text('420["join",' + json.dumps({"room": room}) + "]")
        answer = self.receive().text
        assert answer == "430" + json.dumps([{"ok": True, "room": room}], separators=(",", ":"))

    def send_text(self, text: str) -> None:
        """Send one text message in one frame."""
        self.send_frame(TEXT, text.encode())

    def send_frame(
        self,
        opcode: int,
        payload: bytes,
        *,
        final: bool = True,
        masked: bool = True,
        reserved: int = 0,
    ) -> None:
        """Send one frame, proper or not."""
        self.socket.sendall(frame(opcode, payload, final=final, masked=masked, reserved=reserved))

    def receive(self) -> Frame:
        """Return the next frame; raises ``Ended`` where there is none any more."""
        first, second = self._take(2)
        length = second & 127
        if length == 126:
            length = struct.unpack("!H", self._take(2))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._take(8))[0]
        return Frame(first & 15, self._take(length))

    def receive_event(self, event: str) -> JsonValue:
        """Return the data of the next ``event``; pings on the way are answered."""
        while True:
            text = self.receive().text
            if text == "2":
                self.send_text("3")
            elif text.startswith("42"):
                name, data = json.loads(text[2:])
                if name == event:
                    value: JsonValue = data
                    return value

    def end(self, seconds: float) -> int | None:
        """Wait until the server ends the connection; return its close code if it gave one.

        Raises ``TimeoutError`` where it does not within ``seconds``.
        """
        self.socket.settimeout(seconds)
        code = None
        try:
            while True:
                received = self.receive()
                if received.opcode == CLOSE and received.payload:
                    code = struct.unpack("!H", received.payload[:2])[0]
        except (Ended, ConnectionError):
            return code
        finally:
            self.socket.settimeout(SECONDS)

    def cut(self) -> None:
        """Go without a word."""
        self.socket.close()

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._read_more()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _read_more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise Ended
        self._buffer += data


def frame(
    opcode: int, payload: bytes, *, final: bool = True, masked: bool = True, reserved: int = 0
) -> bytes:
    """Return the bytes of one frame from a client."""
    first = opcode | reserved << 4 | (128 if final else 0)
    flag, size = (128 if masked else 0), len(payload)
    if size < 126:
        head = struct.pack("!BB", first, flag | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    if not masked:
        return head + payload
    key = (MASK * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + MASK + mixed.to_bytes(size, "big")


class RawPolling:
    """An Engine.IO connection over long polling; opened on construction."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/socket.io/?EIO=4&transport=polling"
        opened = requests.get(self._url, timeout=SECONDS)
        opened.raise_for_status()
        self.sid = str(json.loads(opened.text[1:])["sid"])

    def post(self, body: bytes) -> requests.Response:
        """Send packets."""
        return requests.post(f"{self._url}&sid={self.sid}", data=body, timeout=SECONDS)

    def poll(self, seconds: float = SECONDS) -> requests.Response:
        """Wait for packets."""
        return requests.get(f"{self._url}&sid={self.sid}", timeout=seconds)

    def login(self, token: str) -> str:
        """Connect to the namespace; return the packet that answers it."""
        assert self.post(b"40" + json.dumps({"token": token}).encode()).status_code == 200
        return self.poll().text
