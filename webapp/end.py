"""What ends with the process, when the sockets are gone and the log is written."""

import sys
import threading
import time
from collections.abc import Callable, Mapping

PATIENCE_SECONDS = 1.0
"""How long each step may take: a destination that hangs must not hold up the end."""

LEAST_SECONDS = 0.05
"""How long a step may take whose turn comes when the time for all is over."""


class End:
    """Takes steps in their order; one that fails or hangs is said, and the others are taken."""

    def __init__(self, steps: Mapping[str, Callable[[], None]]) -> None:
        self._steps = dict(steps)

    def __call__(self, seconds: float) -> None:
        """Take every step, within about ``seconds`` together."""
        deadline = time.monotonic() + seconds
        for what, step in self._steps.items():
            # In a thread of its own, as a wait in a driver cannot be broken off without harm.
            taken = threading.Thread(target=_take, args=(what, step), daemon=True)
            taken.start()
            left = max(LEAST_SECONDS, deadline - time.monotonic())
            taken.join(min(PATIENCE_SECONDS, left))
            if taken.is_alive():
                sys.stderr.write(f"Herald: at the end, {what} took too long.\n")


def _take(what: str, step: Callable[[], None]) -> None:
    try:
        step()
    except Exception as error:  # noqa: BLE001  whatever is closed may raise anything
        sys.stderr.write(f"Herald: at the end, {what} failed: {type(error).__name__}.\n")
