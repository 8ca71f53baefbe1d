"""The WebSocket handshake, and the taking over of the connection from the HTTP server."""

from __future__ import annotations

import base64
import binascii
import hashlib
from wsgiref.types import WSGIEnvironment

import engineio
import orjson

from logger_lib import JsonObject
from webapp.errors import envelope
from webapp.http.connection import TAKE_OVER, TakeOver

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = "13"
KEY_BYTES = 16


def upgrade_refusal(environ: WSGIEnvironment) -> engineio.Answer | None:
    """Return the answer to a handshake that is none (RFC 6455, section 4.2.1), else ``None``."""
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != VERSION:
        answer = malformed("speak WebSocket in version 13", "426 UPGRADE REQUIRED")
        answer["headers"].append(("Sec-WebSocket-Version", VERSION))
        return answer
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return malformed("a WebSocket begins with HTTP/1.1")
    connection = [part.strip() for part in environ.get("HTTP_CONNECTION", "").lower().split(",")]
    if "upgrade" not in connection or not _is_key(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")):
        return malformed(
            "a WebSocket begins with Connection: Upgrade and a Sec-WebSocket-Key of 16 bytes"
        )
    return None


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def accept_websocket(environ: WSGIEnvironment) -> tuple[int, bytes]:
    """Accept the handshake of ``environ``; return a descriptor of the connection, and what to read.

    That is what the client has sent without waiting for the answer. The HTTP server keeps no
    descriptor of the connection. No extension is accepted: compression would cost more than the
    sending, and keep a window a connection.
    """
    key = environ["HTTP_SEC_WEBSOCKET_KEY"].encode("latin-1")
    accept = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    take_over: TakeOver = environ[TAKE_OVER]
    return take_over(
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def malformed(message: str, status: str = "400 BAD REQUEST") -> engineio.Answer:
    """Return the answer to a request that the protocol does not know."""
    return answer_of(status, envelope("malformed_request", message))


def answer_of(status: str, body: JsonObject) -> engineio.Answer:
    """Return ``body`` in the form in which the Engine.IO server answers."""
    response = orjson.dumps(body)
    return {
        "status": status,
        "headers": [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(response))),
        ],
        "response": response,
    }
