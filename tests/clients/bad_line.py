"""What stands between a client and Herald on a bad day: an HTTP proxy that fails as it is told."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler

import requests

from tests.services.own_server import OwnServer, QuietHandler

SECONDS = 10


class Fault(Enum):
    """What becomes of a call."""

    LIMITED = auto()
    """Answered 429 with a Retry-After of ``RETRY_AFTER``, and not handed on."""
    LOST = auto()
    """Handed on, and the answer is lost with the connection."""
    HALVED = auto()
    """Handed on, and half of the answer is lost with the connection."""


RETRY_AFTER = 2


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came."""

    path: str
    key: str
    """Its ``Idempotency-Key``."""
    at: float
    """On the monotonic clock."""


class BadLine(OwnServer):
    """Hands calls on to ``target``, but for the first ones; the ``with`` block ends it."""

    def __init__(self, target: str, faults: Iterable[Fault]) -> None:
        self.calls: list[Call] = []
        self._target = target
        self._faults = iter(faults)
        line = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802  the name is http.server's
                line.take(self)

        super().__init__(Handler)

    def take(self, call: BaseHTTPRequestHandler) -> None:
        """Do with one call what is its turn."""
        body = call.rfile.read(int(call.headers["Content-Length"]))
        key = call.headers.get("Idempotency-Key", "")
        self.calls.append(Call(call.path, key, time.monotonic()))
        fault = next(self._faults, None)
        if fault is not None:
            call.close_connection = True
        if fault is Fault.LIMITED:
            return _answer(call, 429, b"limited", str(RETRY_AFTER))
        given = {name: call.headers[name] for name in call.headers if name.lower() != "host"}
        got = requests.post(self._target + call.path, data=body, headers=given, timeout=SECONDS)
        if fault is Fault.LOST:
            return None
        sent = got.content[: len(got.content) // 2] if fault is Fault.HALVED else got.content
        return _answer(call, got.status_code, sent, length=len(got.content))


def _answer(
    call: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    retry_after: str | None = None,
    length: int | None = None,
) -> None:
    call.send_response(status)
    call.send_header("Content-Type", "application/json")
    call.send_header("Content-Length", str(len(body) if length is None else length))
    if retry_after is not None:
        call.send_header("Retry-After", retry_after)
    call.end_headers()
    call.wfile.write(body)
