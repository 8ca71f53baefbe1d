"""What other hosts' events came to here: it is logged, and then they are told."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from logger_lib import Logger, delivery_record
from webapp.acknowledgement import Acknowledgement
from webapp.errors import HeraldError
from webapp.hosts.entry import EventEntry
from webapp.hosts.notice import HostNotice

MAX_WAITING = 10_000
"""How many answers wait for the log; the oldest is left out first."""

IDLE_SECONDS = 1.0
"""How long it takes at most to notice the end."""


class Outgoing(Protocol):
    """What takes the answers along."""

    def reply(self, host: str, number: int, recipients: int) -> None:
        """Answer ``host``."""
        ...


class Answers:
    """Answers other hosts when the records of deliveries are as safe as a 202 would promise.

    That waits in a green thread of its own (``run``), so that giving events to sockets does not.
    """

    def __init__(
        self,
        outgoing: Outgoing,
        logger: Logger,
        acknowledgement: Acknowledgement,
        notice: HostNotice,
    ) -> None:
        self._outgoing = outgoing
        self._logger = logger
        self._acknowledgement = acknowledgement
        self._notice = notice
        self._waiting: deque[tuple[str, int, int]] = deque(maxlen=MAX_WAITING)
        self._some = threading.Event()
        self._lost = acknowledgement.lost
        self._ended = False
        self.withheld = 0
        """How many answers were not given, as the records may be lost."""

    def delivered(self, entry: EventEntry, sids: tuple[str, ...]) -> None:
        """Log that an event was given to the sockets ``sids``, and answer its host then.

        At once where there is nothing to be logged.
        """
        if not sids:
            self._outgoing.reply(entry.host, entry.number, 0)
            return
        self._logger.log(
            delivery_record(
                entry.name,
                sids,
                event_id=entry.event_id,
                time=entry.at,
                app=entry.app_id,
                rooms=entry.rooms,
            )
        )
        self.withheld += len(self._waiting) == MAX_WAITING
        self._waiting.append((entry.host, entry.number, len(sids)))
        self._some.set()

    def run(self) -> None:
        """Answer until the end."""
        while not self._ended:
            self._some.wait(IDLE_SECONDS)
            self._some.clear()
            if self._waiting:
                self._answer()

    def _answer(self) -> None:
        # What was lost since the last look may be of these.
        lost_before, self._lost = self._lost, self._acknowledgement.lost
        answers = [*self._waiting]
        self._waiting.clear()
        try:
            self._acknowledgement.confirm(lost_before)
        except HeraldError:
            self.withheld += len(answers)
            return
        except Exception as error:  # noqa: BLE001  said; without another try nobody would be answered again
            self.withheld += len(answers)
            self._notice.cannot_answer(error)
            return
        for host, number, recipients in answers:
            self._outgoing.reply(host, number, recipients)

    def close(self) -> None:
        """Have ``run`` end."""
        self._ended = True
        self._some.set()
