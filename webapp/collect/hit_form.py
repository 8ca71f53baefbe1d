"""A hit as an item of a pipeline."""

import orjson

from logger_lib import JsonObject
from webapp.collect.hit import Hit

_HIT_BYTES = 900
"""A hit without its texts, and its place in the buffer."""

_VALUE_BYTES = 112
"""A value of its metadata, its key and the places of both."""
_CONTAINER_BYTES = 64


class HitForm:
    """How hits are put into the spool and taken from it."""

    def text_bytes(self, hit: Hit, size: int) -> int:
        """Return about how much text a destination makes of ``hit``."""
        del hit
        return size

    def encode(self, hit: Hit) -> str:
        """Return ``hit`` as JSON."""
        return hit.to_json()

    def decode(self, text: str) -> Hit:
        """Return the hit of ``text``."""
        return Hit.from_json(text)


def weight(hit: Hit) -> int:
    """Return about how many bytes ``hit`` holds in memory."""
    texts = (hit.url, hit.referrer, hit.user_agent, hit.user_id, hit.session_id)
    total = _HIT_BYTES + len(hit.event) + len(hit.message_id)
    for text in texts:
        if text is not None:
            total += len(text)
    return total if hit.metadata is None else total + _metadata_bytes(hit.metadata)


def _metadata_bytes(metadata: JsonObject) -> int:
    # Counted in the text: to go through 200,000 arrays one by one would hold up everybody.
    text = orjson.dumps(metadata)
    containers = text.count(b"[") + text.count(b"{")
    values = text.count(b",") + containers
    return len(text) + values * _VALUE_BYTES + containers * _CONTAINER_BYTES
