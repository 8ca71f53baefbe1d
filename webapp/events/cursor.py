"""Where a page of a search ended, as its caller keeps it: opaque, good for that search alone."""

import base64
import binascii
import hashlib
import hmac
import json

from webapp.errors import ValidationFailed
from webapp.events.event_log import Search, moment_text

_SEAL_BYTES = 16


class Cursors:
    """Makes cursors and opens them. They never expire, and every host with the secret knows them.

    A cursor is the id of the last event of a page, sealed together with the search, so that one
    that was made up or came from another search is refused.
    """

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"herald cursor", "sha256")

    def seal(self, search: Search, last_id: str) -> str:
        """Return the cursor for what comes after the event ``last_id``."""
        return _text_of(self._seal_of(search, last_id) + last_id.encode())

    def open(self, search: Search, cursor: str) -> str:
        """Return the id in ``cursor``; raises ``ValidationFailed`` if it is not of this search."""
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
            last_id = sealed[_SEAL_BYTES:].decode("ascii")
        except (binascii.Error, ValueError):
            raise _refusal() from None
        # Several texts decode to the same bytes; one of them is ours.
        is_ours = cursor == _text_of(sealed)
        seal = self._seal_of(search, last_id)
        if not (is_ours and hmac.compare_digest(sealed[:_SEAL_BYTES], seal)):
            raise _refusal()
        return last_id

    def _seal_of(self, search: Search, last_id: str) -> bytes:
        bounds = [moment and moment_text(moment) for moment in (search.since, search.until)]
        named = [search.app_id, search.event, search.room, *bounds, *search.words, last_id]
        return hmac.digest(self._key, json.dumps(named).encode(), hashlib.sha256)[:_SEAL_BYTES]


def _text_of(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _refusal() -> ValidationFailed:
    return ValidationFailed(
        "a cursor is good for the search that it came from: repeat that, or start without one",
        {"cursor": ["Is not a cursor of this search."]},
    )
