"""One event to the sockets of all hosts, in the order of the stream."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from logger_lib import JsonObject
from webapp.events.event import Event
from webapp.events.fan_out import WAIT_SECONDS, Elsewhere, HandedOut, Patience
from webapp.hosts.entry import EventEntry
from webapp.hosts.outbox import BATCH_EVENTS, Outbox
from webapp.hosts.own_event import OwnEvent
from webapp.hosts.peers import PROMPT_SECONDS, Peers
from webapp.realtime.history import History
from webapp.realtime.kept import Kept
from webapp.realtime.offsets import BEGINNING, Position

PACE_SECONDS = 0.025
"""What of a batch comes back within this time is not waited for: it is worked through that fast."""

MAX_SEEN = 10_000
"""Of how many hosts it is known which events have come; the one longest not heard of goes first."""

NOBODY_KNOWN = ("*",)
"""Who was not reached where this host has never heard of the others: whoever they are."""


class Sockets(Protocol):
    """What is needed of the sockets of this host."""

    def is_sid(self, name: str) -> bool:
        """Say whether ``name`` is the id of a connected socket."""
        ...

    def encode(self, event: str, data: JsonObject) -> str:
        """Return the Socket.IO packet of an event."""
        ...

    def send(
        self,
        app_id: str,
        packet: str,
        offset: str,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]:
        """Hand a packet to the sockets in ``rooms``, or to all of the app; return their sids."""
        ...


@dataclass(slots=True)
class FanOutCounters:
    """What did not go its usual way."""

    early: int = 0
    """Events that the sockets here were given before the stream had them."""
    unreached: int = 0
    """Events whose publisher was told of hosts that had not answered."""
    missed: int = 0
    """Events of other hosts that never came here."""


class HostFanOut:
    """Gives every event to the sockets of this host in the order of the stream, and says to whom.

    Its own events too, unless the stream takes too long: then its own sockets get them at once, and
    they are left out when the stream brings them.
    """

    def __init__(
        self,
        host: str,
        sockets: Sockets,
        history: History,
        outbox: Outbox,
        peers: Peers,
    ) -> None:
        self._host = host
        self._sockets = sockets
        self._history = history
        self._outbox = outbox
        self._peers = peers
        # Held while an event is given to the sockets: own ones come from two sides, and in order.
        self._giving = threading.Lock()
        self._ahead: deque[OwnEvent] = deque()
        self._given = 0
        self._seen: dict[str, int] = {}
        self._start = BEGINNING
        self._is_out_of_reach = False
        self.has_joined = False
        """Whether this host has ever heard the others."""
        self.is_prompt = True
        """Whether the stream brings own events in time, as far as is known."""
        self.counters = FanOutCounters()
        outbox.on_given_up = history.give_up_early

    def is_sid(self, name: str) -> bool:
        """Say whether ``name`` is the id of a socket that is connected here."""
        return self._sockets.is_sid(name)

    def hand_out(self, event: Event, event_id: str, at: datetime) -> HandedOut:
        """Have ``event`` appended to the stream, which brings it to all hosts."""
        packet = self._sockets.encode(event.name, event.data)
        entry = EventEntry(
            host=self._host,
            # A number that was given and never came would pass for an event that was missed.
            number=self._outbox.next_number(),
            event_id=event_id,
            app_id=event.app_id,
            name=event.name,
            at=at,
            rooms=event.rooms,
            excluded=event.excluded,
            packet=packet,
        )
        own = OwnEvent(entry)
        self._ahead.append(own)
        self._outbox.put(own)
        return _HandedOut(self, own)

    def here(self, own: OwnEvent, patience: Patience) -> tuple[str, ...]:
        """Return the sockets here that were given ``own``, by the stream or without it."""
        if self.is_prompt and own.sids is None:
            patience.spend(own.await_given, free=PACE_SECONDS)
        if own.sids is None:
            self._give_early(own.number)
        # They may be many, and the rest of a batch is waited for.
        sids, own.sids = own.sids or (), ()
        return sids

    def elsewhere(self, own: OwnEvent, patience: Patience) -> Elsewhere:
        """Return what the other hosts have said of ``own``, when all have or the time is over."""
        if self.is_prompt and not own.is_settled:
            patience.spend(own.await_settled)
            # Patience may be at its end before: nobody is late who has not had all of the time.
            if own.asked is not None and own.age >= WAIT_SECONDS:
                self._peers.late(own.asked - own.replies.keys())
        unreached = self._unreached(own)
        self.counters.unreached += bool(unreached)
        return Elsewhere(sum(own.replies.values()), unreached)

    def _unreached(self, own: OwnEvent) -> tuple[str, ...]:
        if not self.has_joined:
            return NOBODY_KNOWN
        # Who has left in order since has no sockets.
        known = self._peers.names if own.known is None else own.known & self._peers.names
        return tuple(sorted(known - own.replies.keys()))

    def _give_early(self, number: int) -> None:
        """Give all own events up to ``number`` to the sockets here, without the stream."""
        with self._giving:
            while self._ahead and self._ahead[0].number <= number:
                own = self._ahead.popleft()
                self.is_prompt &= own.age < WAIT_SECONDS
                self.counters.early += 1
                kept = _kept(own.entry, BEGINNING)
                self._give_own(own, kept, self._history.add_early(kept))

    def _give_own(self, own: OwnEvent, kept: Kept, offset: str) -> None:
        self._given = own.number
        own.sids = self._send(kept, offset)
        own.changed()

    def _send(self, kept: Kept, offset: str) -> tuple[str, ...]:
        return self._sockets.send(
            kept.app_id, kept.packet, offset, rooms=kept.rooms, excluded=kept.excluded
        )

    def late(self) -> None:
        """Take note that Redis does not answer: nobody waits for the stream until it is prompt."""
        self.is_prompt, self._is_out_of_reach = False, True
        for own in self._outbox.unsettled():
            own.wake()

    def in_reach(self) -> None:
        """Take note that Redis answers again."""
        self._is_out_of_reach = False

    def prompt(self, seconds: float) -> None:
        """Take note that the stream has brought back what was put in so many seconds ago."""
        is_behind = self._outbox.waiting > BATCH_EVENTS
        if seconds < PROMPT_SECONDS and not is_behind and not self._is_out_of_reach:
            self.is_prompt = True

    def gone(self, host: str) -> None:
        """Wait no more for the answers of ``host``."""
        for own in self._outbox.unsettled():
            if own.asked is not None and host in own.asked:
                own.asked -= {host}
                own.changed()

    def answered(self, host: str, number: int, recipients: int) -> None:
        """Take note to how many sockets ``host`` has given an event of this one."""
        self._peers.replied(host, number)
        own = self._outbox.find(number)
        if own is not None:
            own.replies[host] = recipients
            own.changed()

    def begin(self, epoch: str, start: Position) -> None:
        """Take note that the stream is read from ``start`` on, which is in this epoch."""
        self._start = start
        self._history.restart(epoch, start)

    def knows(self, epoch: str) -> bool:
        """Say whether the stream has been read in this epoch."""
        return self._history.knows(epoch)

    def turn(self, epoch: str, start: Position) -> None:
        """Take note that the stream goes on behind ``start`` in another epoch."""
        self._history.turn(epoch, start)

    def cut(self, end: Position) -> None:
        """Take note that the stream has lost what stood behind ``end``, and is read from there."""
        with self._giving:
            self._history.cut(end)

    def load(self, position: Position, entry: EventEntry) -> None:
        """Keep an event that was published before this host began."""
        seen = self._seen.get(entry.host)
        if seen is not None and entry.number > seen + 1:
            # Nobody may be told that nothing is missing where the stream has a hole.
            self._history.begin_behind(position)
        self._note(entry.host, max(entry.number, seen or 0))
        self._keep(_kept(entry, position))

    def take(self, position: Position, entry: EventEntry) -> tuple[str, ...] | None:
        """Give an event that has come to the sockets here, unless they have it.

        Returns the sids of those that another host is to be told of; ``None`` where none is.
        """
        with self._giving:
            kept = _kept(entry, position)
            if entry.host == self._host:
                self._take_own(kept, entry.number)
                return None
            return self._take_others(kept, entry.number)

    def _take_own(self, kept: Kept, number: int) -> None:
        own = self._outbox.find(number)
        if own is not None:
            if own.known is None:
                own.known, own.asked = self._peers.names, self._peers.prompt()
                self._peers.sent(number, own.put_at)
            self.prompt(own.age)
        if number <= self._given:
            self._keep(kept)
            if own is not None:
                own.changed()
            return
        while self._ahead and self._ahead[0].number < number:
            # The stream will not have them any more.
            skipped = self._ahead.popleft()
            earlier = _kept(skipped.entry, BEGINNING)
            self._give_own(skipped, earlier, self._history.add_early(earlier))
        if self._ahead and self._ahead[0].number == number:
            self._give_own(self._ahead.popleft(), kept, self._keep(kept))

    def _take_others(self, kept: Kept, number: int) -> tuple[str, ...] | None:
        seen = self._seen.get(kept.origin)
        if seen is not None and number <= seen:
            self._keep(kept)
            return None
        if seen is None and kept.position <= self._start:
            # Of before this host began, in a stream that is read again.
            return None
        if seen is not None and number > seen + 1:
            self.counters.missed += number - seen - 1
            # Who missed them must not be told that nothing is missing.
            self._history.begin_behind(kept.position)
        self._note(kept.origin, number)
        return self._send(kept, self._keep(kept))

    def _note(self, host: str, number: int) -> None:
        self._seen.pop(host, None)
        self._seen[host] = number
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def _keep(self, kept: Kept) -> str:
        """Keep an event for who comes back, unless it is read again; return its offset."""
        if kept.position <= self._history.position:
            return self._history.head
        return self._history.add(kept)


class _HandedOut(NamedTuple):
    fan_out: HostFanOut
    own: OwnEvent

    @property
    def is_given(self) -> bool:
        return self.own.sids is not None

    def here(self, patience: Patience) -> tuple[str, ...]:
        return self.fan_out.here(self.own, patience)

    def elsewhere(self, patience: Patience) -> Elsewhere:
        return self.fan_out.elsewhere(self.own, patience)


def _kept(entry: EventEntry, position: Position) -> Kept:
    return Kept(
        position,
        entry.event_id,
        entry.app_id,
        entry.name,
        entry.at,
        entry.rooms,
        entry.excluded,
        entry.packet,
        entry.host,
        # Any of them may be given early yet, and which are ahead of the stream the numbers tell.
        entry.number,
    )
