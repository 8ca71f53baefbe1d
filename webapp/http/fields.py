"""The names of header fields, and under which key each comes into the WSGI environment."""

from __future__ import annotations

import re

from webapp.http.refusal import malformed

KNOWN = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control"),
    *("Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect"),
    *("Forwarded", "Host", "Idempotency-Key", "If-None-Match", "Origin", "Pragma", "Referer"),
    *("Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-WebSocket-Extensions"),
    *("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Traceparent", "Transfer-Encoding"),
    *("Upgrade", "User-Agent", "Via", "X-API-Key", "X-Forwarded-For", "X-Forwarded-Host"),
    *("X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-IP", "X-Request-ID"),
)
MOST_REMEMBERED = 1_000
"""How many names may be remembered: clients invent them, and could fill the memory."""

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def environ_key(name: bytes) -> str:
    """Return the key of the field ``name``; an empty one for a field that is not to be seen.

    That is one with an underscore: ``X_Forwarded_For`` would come under the key of
    ``X-Forwarded-For``, which a proxy has checked. Raises ``Refused``.
    """
    if not _TOKEN.fullmatch(name):
        raise malformed("a header field has a name that is none")
    key = name.decode().upper().replace("-", "_")
    if b"_" in name:
        key = ""
    elif key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = f"HTTP_{key}"
    if len(FIELD_KEYS) < MOST_REMEMBERED:
        FIELD_KEYS[name] = key
    return key


FIELD_KEYS: dict[bytes, str] = {}
"""The keys of names as clients write them: looked up for every field of every request."""

for _name in KNOWN:
    for _written in (_name, _name.lower(), _name.title()):
        environ_key(_written.encode())
