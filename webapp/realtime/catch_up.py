"""Giving a client that has come back what it missed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import eventlet
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket

from webapp.realtime.connection import SLOW, to_frame
from webapp.realtime.frames import CloseCode
from webapp.realtime.history import History
from webapp.realtime.kept import Kept
from webapp.realtime.members import Member
from webapp.realtime.offsets import Offset, with_offset
from webapp.realtime.rooms import NAMESPACE, RoomManager
from webapp.realtime.turns import Turns

TURN_SECONDS = 0.005
"""How long all clients that catch up may be sent to together before everybody else has a turn."""

EVENTS_AT_ONCE = 100
"""How many events of the app are looked at between two looks at the clock."""

MAX_PENDING = 65_536
"""Bytes that may wait for the client, or less where its queue is shorter; more is sent when it has
read them, and what is bigger than that then, alone."""

SHORTEST_LOOK, LONGEST_LOOK = 0.005, 0.1
"""Seconds between two looks at whether it has; a client that never does gets no pong through."""


class Deliveries(Protocol):
    """What writes down who got what."""

    def add(self, kept: Kept, sid: str) -> None:
        """Take note that the socket ``sid`` was given ``kept``."""
        ...


class CatchUp:
    """Sends sockets what they missed, each event once, and then has them hear what comes."""

    def __init__(self, rooms: RoomManager, history: History, deliveries: Deliveries) -> None:
        self._rooms = rooms
        self._history = history
        self._deliveries = deliveries
        self._turns = Turns(TURN_SECONDS)
        self.counts: Counter[str] = Counter()
        """Events given, and clients that were cut off as the events went away before them."""

    def run(self, member: Member, offset: Offset) -> None:
        """Give ``member`` all behind ``offset`` and register it, unless it goes meanwhile.

        There is no moment between the last missed event and the first live one.
        """
        while self._is_here(member):
            missed = self._history.after(member.admitted.app_id, offset, EVENTS_AT_ONCE)
            if missed is None:
                # It was told that nothing would be missing.
                self.counts["cut off"] += 1
                member.connection.refuse(CloseCode.TRY_AGAIN_LATER, SLOW)
            elif not missed:
                self._rooms.connect(member.sid, NAMESPACE)
                return
            else:
                offset, is_full = self._give_some(member, missed, offset)
                if is_full:
                    self._wait_for(member)
                self._turns.wait()

    def _is_here(self, member: Member) -> bool:
        connection = member.connection
        is_over = connection.closing or connection.parting
        return not is_over and self._rooms.member(member.sid) is member

    def _give_some(
        self, member: Member, missed: Sequence[Kept], offset: Offset
    ) -> tuple[Offset, bool]:
        """Give what the queue has room for; return how far, and whether it is full."""
        began, is_full = time.perf_counter(), False
        for kept in missed:
            after = self._history.offset_after(kept, offset)
            if self._is_for(member, kept) and not self._give(member, kept, after):
                is_full = True
                break
            offset = after
        self._turns.spend(time.perf_counter() - began)
        return offset, is_full

    def _is_for(self, member: Member, kept: Kept) -> bool:
        """Say whether the socket would have got ``kept`` if it had been there."""
        if member.sid in kept.excluded:
            return False
        return not kept.rooms or any(
            room in member.rooms and self._history.is_behind(kept, member.rooms[room])
            for room in kept.rooms
        )

    def _give(self, member: Member, kept: Kept, offset: Offset) -> bool:
        connection = member.connection
        packet = EnginePacket(MESSAGE, with_offset(kept.packet, str(offset)))
        frame = to_frame(packet)
        most = min(MAX_PENDING, connection.server.max_pending)
        if 0 < connection.pending_bytes > most - len(frame):
            return False
        if not connection.send_shared(packet, frame):
            return False
        self.counts["given"] += 1
        self._deliveries.add(kept, member.sid)
        return True

    def _wait_for(self, member: Member) -> None:
        look = SHORTEST_LOOK
        # Once at least: what takes nothing may be about to end, and needs a turn for that.
        eventlet.sleep(look)
        while member.connection.pending_bytes and self._is_here(member):
            look = min(look * 2, LONGEST_LOOK)
            eventlet.sleep(look)
