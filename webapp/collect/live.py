"""Hits as they come, for the sockets of their app that are in ``herald:hits``."""

from collections.abc import Sequence

import orjson

from logger_lib import JsonObject
from webapp.collect.hit import Hit
from webapp.collect.moment import moment_text
from webapp.live_room import LiveRoom, Sockets
from webapp.names import HITS_ROOM, OWN

HIT_EVENT = f"{OWN}hit"

SHOWN_A_SECOND = 20
"""Of an app; more than that nobody reads. The next one shown says how many were left out."""

MAX_METADATA = 8_192
"""Bytes of a hit's metadata beyond which it is shown without, lest it fill a socket's queue."""


class LiveHits:
    """Shows hits to who watches them, and costs a look where nobody does."""

    def __init__(self, sockets: Sockets) -> None:
        self._room = LiveRoom(sockets, HITS_ROOM, HIT_EVENT, SHOWN_A_SECOND)

    def show(self, hits: Sequence[Hit]) -> None:
        """Show the hits of one call, which are of one app, as many as a second has room for."""
        if hits:
            self._room.show(hits[0].app_id, hits, _to_wire)


def _to_wire(hit: Hit) -> JsonObject:
    """Return the hit as far as it is kept."""
    return {
        "messageId": hit.message_id,
        "event": hit.event,
        "timestamp": moment_text(hit.at),
        "url": hit.url,
        "referrer": hit.referrer,
        "device": hit.device,
        "ipAddress": hit.ip_address,
        "userId": hit.user_id,
        "sessionId": hit.session_id,
        "metadata": hit.metadata if len(orjson.dumps(hit.metadata)) <= MAX_METADATA else None,
    }
