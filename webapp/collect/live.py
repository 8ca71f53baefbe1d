"""Hits as they come, for the sockets of their app that are in ``herald:hits``."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from logger_lib import JsonObject
from webapp.collect.hit import Hit
from webapp.collect.moment import moment_text
from webapp.names import HITS_ROOM, OWN

HIT_EVENT = f"{OWN}hit"

SHOWN_A_SECOND = 20
"""Of an app; more than that nobody reads. The next one shown says how many were left out."""

MAX_APPS = 10_000
"""How many apps are watched at a time; the one that was first counts anew where there are more."""


MAX_METADATA = 8_192
"""Bytes of a hit's metadata beyond which it is shown without, lest it fill a socket's queue."""


class Sockets(Protocol):
    """What is needed of the sockets."""

    def is_anybody_in(self, app_id: str, room: str) -> bool:
        """Say whether a socket is in ``room`` of this app."""

    def deliver(
        self,
        app_id: str,
        event: str,
        data: JsonObject,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]:
        """Hand an event to the sockets in ``rooms`` and return their sids."""


@dataclass(slots=True)
class _Second:
    """What was shown of an app in the second that began then, and left out since the last shown."""

    began_at: float
    shown: int = 0
    left_out: int = 0


class LiveHits:
    """Shows hits to who watches them, here on this host, and costs a look where nobody does."""

    def __init__(self, sockets: Sockets, timer: Callable[[], float] = time.monotonic) -> None:
        self._sockets = sockets
        self._timer = timer
        self._seconds: dict[str, _Second] = {}

    def show(self, hits: Sequence[Hit]) -> None:
        """Show the hits of one call, which are of one app, as many as a second has room for."""
        if not hits:
            return
        app_id = hits[0].app_id
        if not self._sockets.is_anybody_in(app_id, HITS_ROOM):
            if self._seconds:
                self._seconds.pop(app_id, None)
            return
        second = self._second_of(app_id)
        room = max(0, SHOWN_A_SECOND - second.shown)
        for hit in hits[:room]:
            data = _to_wire(hit, second.left_out)
            self._sockets.deliver(app_id, HIT_EVENT, data, rooms=(HITS_ROOM,), excluded=())
            second.left_out = 0
        second.shown += min(room, len(hits))
        second.left_out += max(0, len(hits) - room)

    def _second_of(self, app_id: str) -> _Second:
        now = self._timer()
        second = self._seconds.get(app_id)
        if second is None:
            second = self._seconds[app_id] = _Second(now)
            if len(self._seconds) > MAX_APPS:
                del self._seconds[next(iter(self._seconds))]
        elif now - second.began_at >= 1.0:
            second.began_at, second.shown = now, 0
        return second


def _to_wire(hit: Hit, left_out: int) -> JsonObject:
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
        "leftOut": left_out,
    }
