"""A standard error that nobody ever waits for.

Gunicorn's master imports this before anything is patched: what is used of ``os`` and ``select``
would then go by way of the event loop, or be gone.
"""

from __future__ import annotations

import sys
from io import RawIOBase, TextIOWrapper
from os import write
from select import PIPE_BUF, POLLOUT, poll
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

DESCRIPTOR = 2


class PromptOutput(RawIOBase):
    """Writes what a descriptor takes at once and drops the rest; what is missing is told later.

    A reader of stderr may stall like that of stdout, which often is the same pipe. The event loop
    must not wait for it, and Gunicorn's master neither, which is to end its worker in time.
    """

    def __init__(self, descriptor: int) -> None:
        self.name = "<stderr>"
        self._descriptor = descriptor
        self._told = 0
        self.dropped = 0
        """How many writes were left out, whole or in part."""

    def writable(self) -> bool:
        """Say that it is."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def write(self, data: ReadableBuffer, /) -> int:
        """Write ``data`` as far as there is room. Raises ``OSError`` where the reader is gone."""
        missing = self.dropped - self._told
        if missing and self._has_room():
            self._told = self.dropped
            text = b"Herald: %d messages are missing here: nobody read them\n" % missing
            write(self._descriptor, text)
        whole = rest = memoryview(data).cast("B")
        # A pipe that has room has it for so many bytes.
        while rest and self._has_room():
            rest = rest[write(self._descriptor, rest[:PIPE_BUF]) :]
        if rest:
            self.dropped += 1
        return len(whole)

    def _has_room(self) -> bool:
        waiting = poll()
        waiting.register(self._descriptor, POLLOUT)
        return bool(waiting.poll(0))


def make_prompt() -> None:
    """Have ``sys.stderr`` be such a one from now on. Repeatable."""
    if not isinstance(sys.stderr, _PromptText):
        sys.stderr = _PromptText(
            PromptOutput(DESCRIPTOR),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )


class _PromptText(TextIOWrapper):
    """Text on a ``PromptOutput``, a line at a time."""
