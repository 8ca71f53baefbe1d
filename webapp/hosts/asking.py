"""Questions to the other hosts and theirs to this one, and what is told all of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from logger_lib import JsonObject
from webapp.errors import Unavailable
from webapp.hosts.entry import AskEntry, PresenceEntry, answer_text
from webapp.hosts.fan_out import NOBODY_KNOWN, HostFanOut
from webapp.hosts.line import Line
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import Peers

WAIT_SECONDS = 0.3
"""How long is waited for answers."""

MAX_ASKED = 100
"""How many questions of this host may be under way; more are refused."""

MAX_QUESTIONS = 200
"""How many questions of others may wait for an answer; the oldest is left out first."""

MOST_SAID = 100
MOST_SAID_BYTES = 1_048_576
"""How much may wait for Redis where something of presence is still said."""

IDLE_SECONDS = 1.0
"""How long it takes at most to notice the end."""


@dataclass(slots=True)
class AskCounters:
    """What went wrong."""

    unreached: int = 0
    """Questions that not all hosts answered in time."""
    late: int = 0
    """Answers that came when they were not waited for any more."""
    refused: int = 0
    """Questions that were not asked, as too many were under way."""
    unanswered: int = 0
    """Questions of others that were not answered: too many, not understood, or it failed."""


@dataclass(slots=True)
class _Asked:
    waited_for: frozenset[str]
    answers: dict[str, JsonObject] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)

    def take(self, host: str, answer: JsonObject) -> None:
        self.answers[host] = answer
        if self.waited_for <= self.answers.keys():
            self.done.set()


class Asking:
    """The ends of questions at this host.

    ``line`` is set where this host hears the others. What others ask is answered in a green thread
    (``run``) by ``answer``, which may raise ``ValueError`` for what it does not understand.
    """

    def __init__(self, host: str, outbox: Outbox, peers: Peers, fan_out: HostFanOut) -> None:
        self._host = host
        self._outbox = outbox
        self._peers = peers
        self._fan_out = fan_out
        self._asked: dict[int, _Asked] = {}
        self._last = 0
        self._questions: deque[AskEntry] = deque(maxlen=MAX_QUESTIONS)
        self._some = threading.Event()
        self._ended = False
        self.line: Line | None = None
        self.answer: Callable[[JsonObject], JsonObject] = lambda _: {}
        self.hear: Callable[[str, JsonObject], None] = lambda *_: None
        """Called with what another host has said of presence; it must not wait."""
        self.counters = AskCounters()

    def ask(self, question: JsonObject) -> tuple[Sequence[JsonObject], tuple[str, ...]]:
        """Return what the other hosts answer within 0.3 s, and who of them did not.

        ``("*",)``: this host has never heard of the others. Raises ``Unavailable`` where too many
        questions are under way.
        """
        known = self._peers.names
        if not self._fan_out.has_joined:
            asked, known = _Asked(frozenset()), frozenset(NOBODY_KNOWN)
        elif not known or self._is_out_of_reach:
            asked = _Asked(frozenset())
        else:
            asked = self._ask(question, known)
            known &= self._peers.names
        unreached = tuple(sorted(known - asked.answers.keys()))
        self.counters.unreached += bool(unreached)
        return [*asked.answers.values()], unreached

    @property
    def _is_out_of_reach(self) -> bool:
        return self.line is None or self.line.is_out_of_reach

    def _ask(self, question: JsonObject, known: frozenset[str]) -> _Asked:
        if len(self._asked) >= MAX_ASKED:
            self.counters.refused += 1
            raise Unavailable("the other hosts are being asked too much: ask again later")
        asked = _Asked(self._peers.prompt() & known)
        self._last = number = self._last + 1
        self._asked[number] = asked
        try:
            self._outbox.say(AskEntry(host=self._host, number=number, question=question))
            if asked.waited_for:
                asked.done.wait(WAIT_SECONDS)
        finally:
            del self._asked[number]
        return asked

    def told(self, host: str, number: int, answer: JsonObject) -> None:
        """Take a host's answer; one that comes too late is none."""
        asked = self._asked.get(number)
        if asked is None:
            self.counters.late += 1
        else:
            asked.take(host, answer)

    def heard(self, entry: AskEntry) -> None:
        """Take another host's question; it is answered when its turn comes."""
        self.counters.unanswered += len(self._questions) == MAX_QUESTIONS
        self._questions.append(entry)
        self._some.set()

    def run(self) -> None:
        """Answer until the end."""
        while not self._ended:
            self._some.wait(IDLE_SECONDS)
            self._some.clear()
            while self._questions:
                self._answer(self._questions.popleft())

    def _answer(self, entry: AskEntry) -> None:
        try:
            answer = self.answer(entry.question)
        except ValueError:
            self.counters.unanswered += 1
            return
        except Exception as error:  # noqa: BLE001  said; without another try nobody would be answered again
            self.counters.unanswered += 1
            if self.line is not None:
                self.line.notice.cannot_answer(error)
            return
        self._outbox.answer(entry.host, answer_text(self._host, entry.number, answer))
        time.sleep(0)

    # What is told all others of presence.

    @property
    def others(self) -> frozenset[str]:
        """The other hosts that are not known to be gone."""
        return self._peers.names

    @property
    def troubles(self) -> int:
        """How often something may not have been heard, here or there."""
        told = self._outbox.counters
        return told.unsaid + told.left_out + (self.line.counters.beginnings if self.line else 0)

    def say(self, *bodies: JsonObject) -> bool:
        """Tell the others, in a row; ``False`` where too much waits for Redis: none is told."""
        outbox = self._outbox
        if outbox.notes >= MOST_SAID or outbox.note_bytes >= MOST_SAID_BYTES:
            return False
        for body in bodies:
            outbox.say(PresenceEntry(host=self._host, said=body))
        return True

    def heard_presence(self, entry: PresenceEntry) -> None:
        """Hand on what another host has said."""
        self.hear(entry.host, entry.said)

    def close(self) -> None:
        """Have ``run`` end."""
        self._ended = True
        self._some.set()
