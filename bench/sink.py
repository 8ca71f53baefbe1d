"""Where every contender's output goes: one pipe, drained at once, its lines counted."""

import fcntl
import os
import threading
import time
from collections import deque

MARK = b"[bench.event]"
"""What every line about an event has in it, once; what else a server prints is not counted."""

_PIPE_BYTES = 1 << 20
_READ_BYTES = 1 << 20
_PAUSE = 0.004
"""Seconds between reads: to be woken for each line would take time from what is measured."""


class Sink:
    """Counts the lines about events; the same for all: a slow terminal would decide the race."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self.lines = 0
        self.last_at = time.monotonic()
        self._tail: deque[bytes] = deque(maxlen=8)
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        rest = b""
        while data := os.read(self._read_end, _READ_BYTES):
            self.lines += (rest + data).count(MARK)
            # Too short for a whole mark, so that none is counted twice.
            rest = (rest + data)[1 - len(MARK) :]
            self.last_at = time.monotonic()
            self._tail.append(data[-2000:])
            time.sleep(_PAUSE)
        os.close(self._read_end)

    def handed_over(self) -> None:
        """Close the end that the child has now."""
        os.close(self.write_end)

    def await_lines(self, wanted: int, quiet: float) -> None:
        """Return when ``wanted`` lines have come in all, or none for ``quiet`` seconds."""
        began = time.monotonic()
        while self.lines < wanted and time.monotonic() - max(began, self.last_at) < quiet:
            time.sleep(_PAUSE)

    def tail(self) -> str:
        """Return the last that came."""
        return b"".join(self._tail)[-2000:].decode(errors="backslashreplace")
