"""Events as they are published, for the sockets of their app that are in ``herald:events``."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import orjson

from logger_lib import JsonObject
from webapp.events.event import Receipt
from webapp.events.event_log import moment_text
from webapp.live_room import LiveRoom, Sockets
from webapp.names import EVENTS_ROOM, OWN

LIVE_EVENT = f"{OWN}event"

SHOWN_A_SECOND = 250
"""Of an app, on each host that publishes; the next one shown says how many were left out."""

MAX_DATA = 8_192
"""Bytes of an event's data, as JSON, beyond which it is shown without them."""


class _Published(NamedTuple):
    receipt: Receipt
    at: datetime


class LiveEvents:
    """Shows events to who watches them, and costs a look where nobody does."""

    def __init__(self, sockets: Sockets) -> None:
        self._room = LiveRoom(sockets, EVENTS_ROOM, LIVE_EVENT, SHOWN_A_SECOND)

    def show(self, receipt: Receipt, at: datetime) -> None:
        """Show an event that was published at ``at``, with what its publisher is told."""
        if self._room.is_watched(receipt.event.app_id):
            self._room.show(receipt.event.app_id, (_Published(receipt, at),), _to_wire)


def _to_wire(published: _Published) -> JsonObject:
    receipt, at = published
    data = receipt.event.data
    return {
        **receipt.to_wire(),
        "data": data if len(orjson.dumps(data)) <= MAX_DATA else None,
        "at": moment_text(at),
    }
