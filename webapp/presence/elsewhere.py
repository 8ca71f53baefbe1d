"""The other hosts, for who watches rooms: what is watched there, and who comes and goes there."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from logger_lib import JsonObject
from webapp.presence.notice import PresenceNotice
from webapp.presence.question import MalformedAnswer
from webapp.presence.rosters import Rosters
from webapp.presence.watching import Watching
from webapp.presence.wire import (
    AppRoom,
    Change,
    Changes,
    Roster,
    Said,
    Watched,
    read_said,
    wire_of,
)

LOOK_SECONDS = 1.0
"""How often is looked at which hosts there are."""

RENEW_SECONDS = 10.0
"""How often the others are told all that is watched here."""

GATHER_SECONDS = 0.02
"""How long changes are gathered until the others are told of them."""

CHANGES_AT_ONCE = 500
MAX_CHANGES = 5_000
"""How many changes may wait; of more the others are told who is there, instead."""

MAX_HEARD = 1_000
"""How much of what the others say may wait; of more they are asked who is there."""

ROSTERS_A_LOOK = 524_288
"""About how many bytes of rosters are said until the next look: what events go through has room for
both. The rest, or one that is larger, is said then."""

SHOWN_A_TURN = 100
"""How many changes are shown before others get their turn."""


class Line(Protocol):
    """What all other hosts hear, each in the same order."""

    @property
    def others(self) -> frozenset[str]:
        """The other hosts that are not known to be gone."""
        ...

    @property
    def troubles(self) -> int:
        """How often something may not have been heard, here or there."""
        ...

    def say(self, *bodies: JsonObject) -> bool:
        """Tell the others, in a row; ``False`` where too much waits, and none of it is told."""
        ...


@dataclass(slots=True)
class ElsewhereCounters:
    """What did not go its usual way."""

    changes_left_out: int = 0
    """Changes that the others were not told of one by one."""
    rosters_later: int = 0
    """How often rosters had to wait for the next look, as too much was said."""
    unheard: int = 0
    """What the others have said that there was no room for, or that was malformed."""
    failures: int = 0
    """How often telling or hearing failed; all that may have been missed is told again then."""


class WatchedElsewhere:
    """Tells the other hosts who comes and goes here, and the watchers here who does there.

    What was lost on the way is made good: hosts tell each other who is there whenever something may
    not have been heard. All of it is said by one green thread (``run``).
    """

    def __init__(self, watching: Watching, line: Line) -> None:
        self._watching = watching
        self._line = line
        self._by_host: dict[str, frozenset[AppRoom]] = {}
        self._told: frozenset[AppRoom] = frozenset()
        self._rosters = Rosters()
        self._changes: deque[Change] = deque()
        self._owed: dict[AppRoom, None] = {}
        self._heard: deque[tuple[str, Changes | Roster]] = deque()
        self._some = threading.Event()
        self._known: frozenset[str] = frozenset()
        self._troubles = 0
        self._asks_anew = False
        self._look_at = self._renew_at = 0.0
        self._rosters_said = 0
        """Bytes of rosters since the last look."""
        self._notice = PresenceNotice()
        self.counters = ElsewhereCounters()
        watching.elsewhere = self

    # What happens here.

    @property
    def cut(self) -> int:
        """How many sockets of other hosts had no room here, or rosters that were cut."""
        return self._rosters.cut

    @property
    def is_told(self) -> bool:
        """Whether any room is watched on another host."""
        return bool(self._told)

    def began(self, at: AppRoom) -> None:
        """Ask the others who is in a room, and to be told of it."""
        self._rosters.begin(at, self._line.others)
        # Said now: who asks for the sockets in the room after this is heard after this.
        self._asks_anew |= not self._say(Watched(frozenset((at,)), is_all=False, anew=True))

    def ended(self, at: AppRoom) -> None:
        """Forget a room; the others hear of that when all is told again."""
        self._rosters.end(at)

    def moved(self, change: Change) -> None:
        """Tell the others, where one of them watches."""
        if change.at not in self._told:
            return
        if len(self._changes) >= MAX_CHANGES:
            self._leave_out(change)
        else:
            self._changes.append(change)
        self._some.set()

    def _leave_out(self, change: Change) -> None:
        self.counters.changes_left_out += 1
        self._owed[change.at] = None

    # What the others say.

    def hear(self, host: str, body: JsonObject) -> None:
        """Take what another host says; who came and went is shown when its turn comes."""
        if host not in self._line.others:
            # Nobody would notice its end. When it is known it is asked.
            return
        try:
            said = read_said(body)
        except MalformedAnswer:
            self.counters.unheard += 1
            return
        if isinstance(said, Watched):
            self._take_watched(host, said)
        elif len(self._heard) >= MAX_HEARD:
            self.counters.unheard += 1
            self._asks_anew = True
        else:
            self._heard.append((host, said))
        self._some.set()

    def _take(self, host: str, said: Changes | Roster) -> None:
        if isinstance(said, Roster):
            self._show(host, self._rosters.whole(host, said))
        else:
            changes = (each for each in said.changes if self._rosters.change(host, each))
            self._show(host, changes)

    def _take_watched(self, host: str, said: Watched) -> None:
        before = self._by_host.get(host, frozenset())
        self._by_host[host] = said.rooms if said.is_all else before | said.rooms
        self._tell_those()
        for at in said.rooms if said.anew else said.rooms - before:
            self._owed[at] = None

    def _tell_those(self) -> None:
        self._told = frozenset().union(*self._by_host.values())

    def _show(self, host: str, changes: Iterable[Change]) -> None:
        for number, change in enumerate(changes, 1):
            self._watching.show(change, host)
            if not number % SHOWN_A_TURN:
                time.sleep(0)

    # What is said.

    def run(self) -> None:
        """Speak and listen for as long as the process lives."""
        while True:
            self._some.wait(LOOK_SECONDS)
            self._some.clear()
            try:
                self._listen_and_speak()
            except Exception as error:  # noqa: BLE001  said; without another try nobody would be told again
                self._failed(error)
                time.sleep(LOOK_SECONDS)
            else:
                self._notice.works()

    def _listen_and_speak(self) -> None:
        while self._heard:
            self._take(*self._heard.popleft())
        if self._changes:
            time.sleep(GATHER_SECONDS)
        self._tell_changes()
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._rosters_said = 0
            self._look()
        self._tell_rosters()

    def _failed(self, error: Exception) -> None:
        self.counters.failures += 1
        self._notice.failed(error)
        # Whatever was in hand is lost: the others tell again who is there, and are told.
        self._asks_anew = True
        self._owe_all()

    def _owe_all(self) -> None:
        self._owed.update(dict.fromkeys(self._told))

    def _tell_changes(self) -> None:
        while self._changes:
            count = min(CHANGES_AT_ONCE, len(self._changes))
            some = tuple(self._changes.popleft() for _ in range(count))
            if not self._say(Changes(some)):
                for change in some:
                    self._leave_out(change)

    def _tell_rosters(self) -> None:
        for at in list(self._owed):
            if self._rosters_said >= ROSTERS_A_LOOK:
                self.counters.rosters_later += 1
                return
            # What has changed until now is told before: it is part of what is told as a whole.
            self._tell_changes()
            # Behind the others, should it be owed still.
            self._owed.pop(at, None)
            if at in self._told and not self._tell_roster(at):
                self._owed[at] = None

    def _tell_roster(self, at: AppRoom) -> bool:
        roster = self._watching.roster(at)
        self._rosters_said += roster.size
        return self._say(*roster.parts())

    def _look(self) -> None:
        others, troubles = self._line.others, self._line.troubles
        for host in (self._known | self._by_host.keys()) - others:
            self._lose(host)
        anew = self._asks_anew or troubles != self._troubles or bool(others - self._known)
        if troubles != self._troubles:
            self._owe_all()
        self._known, self._troubles, self._asks_anew = others, troubles, False
        if anew or time.monotonic() >= self._renew_at:
            self._renew(anew=anew)

    def _lose(self, host: str) -> None:
        self._by_host.pop(host, None)
        self._tell_those()
        self._show(host, self._rosters.lost(host))

    def _renew(self, *, anew: bool) -> None:
        watched = self._watching.watched
        if self._say(Watched(watched, is_all=True, anew=anew)):
            self._renew_at = time.monotonic() + RENEW_SECONDS
        else:
            self._asks_anew |= anew

    def _say(self, *said: Said) -> bool:
        return not self._line.others or self._line.say(*(wire_of(each) for each in said))
