"""Figures of who asks who is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logger_lib import JsonObject
from webapp.metrics.families import Figures, counter, counters, gauge
from webapp.presence.census import Census
from webapp.presence.elsewhere import WatchedElsewhere
from webapp.presence.watching import Watching

if TYPE_CHECKING:
    from webapp.hosts.asking import Asking


class PresenceFigures:
    """Reads what presence counts here."""

    def __init__(self, watching: Watching, census: Census) -> None:
        self._watching = watching
        self._census = census

    def seen(self) -> JsonObject:
        """Return who watches, for who asks whether Herald is well."""
        return {"watchers": self._watching.watchers, "questions": self._census.questions}

    def collect(self) -> Figures:
        """Return the figures."""
        yield gauge(
            "herald_presence_watchers",
            "Sockets here that are told who joins and leaves rooms.",
            self._watching.watchers,
        )
        yield counter(
            "herald_presence_questions_total",
            "Calls that asked which rooms there are, or who is in one.",
            self._census.questions,
        )


class SharedPresenceFigures(PresenceFigures):
    """Reads what presence counts of several hosts too."""

    def __init__(
        self, watching: Watching, census: Census, asking: Asking, elsewhere: WatchedElsewhere
    ) -> None:
        super().__init__(watching, census)
        self._asking = asking
        self._elsewhere = elsewhere

    def seen(self) -> JsonObject:
        """Return what went wrong between hosts too."""
        counted = self._asking.counters
        return {
            **super().seen(),
            "unreached": counted.unreached,
            "lateAnswers": counted.late,
            "refused": counted.refused,
            "unanswered": counted.unanswered,
            "failures": self._elsewhere.counters.failures,
        }

    def collect(self) -> Figures:
        """Return the figures."""
        yield from super().collect()
        asked, told = self._asking.counters, self._elsewhere.counters
        yield counters(
            "herald_presence_questions_failed_total",
            "Questions between hosts that did not get all of an answer.",
            "reason",
            {
                "unreached": asked.unreached,
                "late": asked.late,
                "too_many": asked.refused,
                "unanswered": asked.unanswered,
                "malformed": self._census.malformed,
            },
        )
        yield counters(
            "herald_presence_untold_total",
            "What hosts did not tell each other of rooms one by one; it is told again as a whole.",
            "reason",
            {
                "left_out": told.changes_left_out,
                "unheard": told.unheard,
                "failures": told.failures,
            },
        )
        yield counter(
            "herald_presence_rosters_later_total",
            "How often rosters had to wait for the next look, as too much was said.",
            told.rosters_later,
        )
        yield counter(
            "herald_presence_cut_total",
            "Sockets of other hosts that there was no room for, or rosters that were cut.",
            self._elsewhere.cut,
        )
