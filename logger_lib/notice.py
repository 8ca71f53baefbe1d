"""What the library says on stderr about a destination in trouble: each thing once an outage."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from logger_lib.escape import escape

_LONGEST_REASON = 300
_QUIET_SECONDS = 60.0
"""A destination that fails and recovers all the time is not told of more often."""
_TROUBLE = ("cannot write", "too late", "cannot keep", "cannot set aside")


class Notice:
    """Speaks for one destination, as ``speaker``: what each line begins with."""

    def __init__(self, speaker: str) -> None:
        self._speaker = speaker
        self._said: set[str] = set()
        self._said_at: dict[str, float] = {}

    def cannot_write(
        self, error: BaseException, fate: str = "records are counted as failed"
    ) -> None:
        """Say why the destination does not take records, and what becomes of them."""
        self._say("cannot write", f"cannot write: {reason_of(error)}; {fate}")

    def too_late(self, seconds: float) -> None:
        """Say that a batch takes longer than ``seconds``."""
        self._say(
            "too late",
            f"takes longer than {seconds:g} s for a batch; records are kept on disk meanwhile",
        )

    def cannot_keep(self, error: BaseException) -> None:
        """Say why records cannot be put on disk either."""
        self._say(
            "cannot keep",
            f"cannot keep records on disk: {reason_of(error)};"
            " new ones are turned away until it can",
        )

    def cannot_set_aside(self, error: BaseException, fate: str) -> None:
        """Say why there can be no dead letters, and what becomes of the records."""
        self._say("cannot set aside", f"cannot keep dead letters: {reason_of(error)}; {fate}")

    def refused(self, refusals: Sequence[str], fate: str) -> None:
        """Say that some records can never be written there, and where they are instead."""
        self._say(
            "refused",
            f"cannot write: {len(refusals)} refused, the first because "
            f"{escape(refusals[0])[:_LONGEST_REASON]}; {fate}",
        )

    def cannot_index(self, error: BaseException) -> None:
        """Say why the destination has not all of its indexes, and what to do about it."""
        self._say(
            "cannot index",
            f"cannot make its indexes: {reason_of(error)}; records are written all the same,"
            " reading is slow or what is old stays. Let its user make and change indexes; it is"
            " tried again",
        )

    def indexed(self) -> None:
        """Say, where it was said that there are not, that there are all indexes."""
        self._over("cannot index", "has its indexes")

    def unreadable(self, lines: int) -> None:
        """Say that the spool had lines that are cut off or damaged."""
        self._say("unreadable", f"left out {lines} lines of its spool that cannot be read")

    def cannot_take_over(self, path: Path, error: OSError, files: int) -> None:
        """Say why ``path``, the first of so many files, stays where it is in the spool."""
        self._say(
            "cannot take over",
            f"cannot take over {files} files of its spool, the first {escape(str(path))}: "
            f"{reason_of(error)}; they stay, and are tried again",
        )

    def too_slow(self) -> None:
        """Say that the buffer in front of the destination was full."""
        self._say(
            "too slow", "is too slow: its buffer was full, new records are counted as dropped"
        )

    def closed_early(self, logger: str, lost: int) -> None:
        """Say how many records the logger called ``logger`` still held when it was closed."""
        self._say(
            f"closed {logger}",
            f"was closed while {lost} records of {logger} waited; they are counted as dropped",
        )

    def recovered(self) -> None:
        """Say that what was said of an outage is over; the next one is told of again."""
        self._said.discard("too slow")
        told = self._said.intersection(_TROUBLE)
        if told:
            self._said -= told
            self._print("writes again")

    def _over(self, subject: str, text: str) -> None:
        if subject in self._said:
            self._said.discard(subject)
            self._print(text)

    def _say(self, subject: str, text: str) -> None:
        if subject in self._said or self._told_lately(subject):
            return
        self._said.add(subject)
        self._said_at[subject] = time.monotonic()
        if not self._print(f"{text}, this is said once"):
            self._said.discard(subject)

    def _told_lately(self, subject: str) -> bool:
        said_at = self._said_at.get(subject)
        return said_at is not None and time.monotonic() - said_at < _QUIET_SECONDS

    def _print(self, text: str) -> bool:
        if sys.stderr is None:
            return False
        try:
            print(  # noqa: T201  the one place that speaks to stderr
                f"{self._speaker} {text}", file=sys.stderr, flush=True
            )
        except (OSError, ValueError):
            # stderr itself is closed or full: nowhere is left to say it, the counters still tell.
            return False
        return True


def reason_of(error: BaseException) -> str:
    """Return what ``error`` is and says, on one line of at most 300 characters."""
    # The first line alone: SQLAlchemy puts the values of the row into the ones after it.
    first_line = next(iter(str(error).splitlines()), "")
    return escape(f"{type(error).__name__}: {first_line}")[:_LONGEST_REASON]
