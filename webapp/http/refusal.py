"""What is answered to a request before the app is asked, in the envelope of all errors."""

from __future__ import annotations

import orjson

from webapp.errors import envelope
from webapp.security_headers import OF_DATA

_SECURITY = "".join(f"{name}: {value}\r\n" for name, value in OF_DATA)


class Refused(Exception):
    """The request is not served, and the connection ends: what follows on it cannot be trusted."""

    def __init__(self, status: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def to_wire(self, date: str, *, is_head: bool) -> bytes:
        """Return the whole answer; ``date`` is its ``Date``. One to ``HEAD`` has no body."""
        body = orjson.dumps(envelope(self.code, self.message))
        return (
            f"HTTP/1.1 {self.status}\r\nDate: {date}\r\nConnection: close\r\n{_SECURITY}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + (b"" if is_head else body)


def malformed(message: str) -> Refused:
    """Return the refusal of what is no HTTP/1.1, or can be read in two ways."""
    return Refused("400 Bad Request", "malformed_request", message)


def failed() -> Refused:
    """Return the answer where the app itself failed to give one."""
    return Refused(
        "500 Internal Server Error",
        "internal_error",
        "the server failed; the failure was logged",
    )
