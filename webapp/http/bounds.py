"""What a request may have, and how long it may take."""

from webapp.http.refusal import Refused

MAX_LINE = 8_190
"""Bytes of the request line, and of a header field."""

MAX_FIELDS = 100
MAX_HEAD = 65_536
"""Bytes of the request line and all header fields together."""

HEAD_SECONDS = 10.0
"""How long a head may take to come in: from the connection's begin, or from its first byte."""

BODY_SECONDS = 10.0
"""How long a request's body may take to come in, all of it."""

READ_AHEAD = 2 * 1_048_576
"""How much of a body is read before the app is called: more than the app takes (1 MiB)."""

MAX_IN_CHUNKS = 8 * READ_AHEAD
"""What a body in chunks may have on the wire: the smallest chunks are six times their content."""

MAX_CHUNKS = 32_768
"""Of one body: each is work of its own, and those of what an app takes can have 32 bytes."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 16 * 1_048_576
"""What is still read of what is not served, so that its sender gets to read the refusal."""


def target_too_long() -> Refused:
    """Return the refusal of a request line that is too long."""
    return Refused("414 URI Too Long", "uri_too_long", f"a request line may have {MAX_LINE} bytes")


def head_too_long() -> Refused:
    """Return the refusal of too many or too long header fields."""
    return Refused(
        "431 Request Header Fields Too Large",
        "header_too_large",
        f"send at most {MAX_FIELDS} header fields, each of {MAX_LINE} bytes, "
        f"together of {MAX_HEAD}",
    )


def too_slow() -> Refused:
    """Return the refusal of a body that did not come in time."""
    return Refused("408 Request Timeout", "request_timeout", "the body came too slowly: try again")
