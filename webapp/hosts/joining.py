"""The parts by which this host hears the others, joined."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from logger_lib import JsonObject, Logger
from webapp.acknowledgement import Acknowledgement
from webapp.hosts.answers import Answers
from webapp.hosts.asking import Asking
from webapp.hosts.entry import AppRoom, TakenEntry
from webapp.hosts.fan_out import HostFanOut
from webapp.hosts.hearing import Hearers, Hearing
from webapp.hosts.host_stream import KEPT_SECONDS, HostStream
from webapp.hosts.line import Line
from webapp.hosts.link import HostLink
from webapp.hosts.live import LiveSockets
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import Peers
from webapp.hosts.speaking import Speaking
from webapp.realtime.history import History
from webapp.realtime.rooms import RoomManager

MAX_WATCHED = 200
"""Of how many rooms a host tells that apps are watched in them; of more it says that all may be."""


class Hosts:
    """What this host has of the others: its own end of the line.

    ``history`` is that of this host and names it; ``url`` is that of the Redis of all. What
    is shown in ``live_rooms`` is shown on all hosts on which somebody is in them.
    """

    def __init__(
        self, url: str, rooms: RoomManager, history: History, live_rooms: Collection[str]
    ) -> None:
        host = history.host
        self._rooms = rooms
        self._history = history
        self._live_rooms = live_rooms
        self._outbox, self._peers = Outbox(host), Peers(host)
        self._stream = HostStream(url, host)
        # Hosts that start later find all there that clients may come back for.
        self._stream.kept_seconds = max(KEPT_SECONDS, math.ceil(history.seconds))
        self.fan_out = HostFanOut(host, rooms, history, self._outbox, self._peers)
        self.live = LiveSockets(host, rooms, history, self._outbox, self._peers)
        self.asking = Asking(host, self._outbox, self._peers, self.fan_out)

    def took(self, sid: str) -> None:
        """Tell the others that the session of the socket ``sid`` goes on here."""
        self._outbox.say(TakenEntry(host=self._history.host, sid=sid))

    def join(
        self, logger: Logger, acknowledgement: Acknowledgement, on_taken: Callable[[str], None]
    ) -> Joined:
        """Return what talks to the others, once it runs.

        Deliveries of what other hosts publish are logged to ``logger``, and confirmed as
        ``acknowledgement`` promises. ``on_taken`` is told of the sockets that another host took.
        """
        line = Line(self._outbox, self.fan_out)
        answers = Answers(self._outbox, logger, acknowledgement, line.notice)
        speaking = Speaking(self._stream, self._outbox, self.fan_out, line, self._watched)
        hearing = Hearing(
            self._stream,
            self._outbox,
            self._peers,
            self.fan_out,
            line,
            hearers=Hearers(
                answers.delivered,
                self.live.heard,
                lambda entry: on_taken(entry.sid),
                self.asking.heard,
                self.asking.told,
                self.asking.heard_presence,
            ),
            seconds=self._history.seconds,
        )
        self.asking.line = line
        link = HostLink(self._outbox, self._peers, self.fan_out, line, answers)
        background = [speaking.run, hearing.run, answers.run, self.asking.run]
        return Joined(link, answers, self.asking, self._stream, background)

    def _watched(self) -> frozenset[AppRoom] | None:
        watched = frozenset(
            (app_id, room) for room in self._live_rooms for app_id in self._rooms.apps_with(room)
        )
        return watched if len(watched) <= MAX_WATCHED else None


@dataclass(frozen=True, slots=True)
class Joined:
    """A host that talks to the others for as long as ``background`` runs."""

    link: HostLink
    answers: Answers
    asking: Asking
    stream: HostStream
    background: Sequence[Callable[[], None]]
    """What runs in green threads of its own until ``close``."""

    @property
    def ready(self) -> Mapping[str, Callable[[], None]]:
        """What has to be well for this host to be ready."""
        return {"hosts": self.link.check}

    @property
    def told(self) -> Mapping[str, Callable[[], JsonObject]]:
        """What is told beside that."""
        return {"hosts": self.link.seen}

    def flush(self, timeout: float) -> bool:
        """Have what waits appended within ``timeout`` seconds; say whether all is."""
        return self.link.flush(timeout)

    def close(self, timeout: float) -> None:
        """Tell the others that this host is gone, and end within ``timeout`` seconds."""
        self.answers.close()
        self.asking.close()
        self.link.close(timeout)
        self.stream.close()
