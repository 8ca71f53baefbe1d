"""What the library says on stderr about a destination in trouble: each thing once."""

import sys

from logger_lib.escape import escape

_LONGEST_REASON = 300


class Notice:
    """Speaks for one destination."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._said: set[str] = set()

    def cannot_write(self, error: BaseException) -> None:
        """Say, the first time, why records are lost."""
        # The first line alone: SQLAlchemy puts the values of the row into the ones after it.
        first_line = next(iter(str(error).splitlines()), "")
        reason = escape(f"{type(error).__name__}: {first_line}")[:_LONGEST_REASON]
        self._say("cannot write", f"cannot write: {reason}; records are counted as failed")

    def too_slow(self) -> None:
        """Say, the first time, that the buffer in front of the destination was full."""
        self._say(
            "too slow", "is too slow: its buffer was full, new records are counted as dropped"
        )

    def closed_early(self, logger: str, lost: int) -> None:
        """Say how many records the logger called ``logger`` still held when it was closed."""
        self._say(
            f"closed {logger}",
            f"was closed while {lost} records of {logger} waited; they are counted as dropped",
        )

    def _say(self, subject: str, text: str) -> None:
        if subject in self._said or sys.stderr is None:
            return
        self._said.add(subject)
        try:
            print(  # noqa: T201  the one place that speaks to stderr
                f"Herald logger '{self._destination}' {text}, this is said once",
                file=sys.stderr,
                flush=True,
            )
        except (OSError, ValueError):
            # stderr itself is closed or full: nowhere is left to say it, the counters still tell.
            self._said.discard(subject)
