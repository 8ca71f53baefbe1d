"""A program whose destination is down: it logs, flushes, and says what was kept.

``python -m tests.logger_lib.down_program HOME COUNT [green] [forget]``: each name that was flushed
is printed; then it waits to be killed, or with ``forget`` ends without closing anything.
"""

import sys
from pathlib import Path

if "green" in sys.argv:
    import warnings

    warnings.simplefilter("ignore")
    import eventlet

    eventlet.monkey_patch()

import time
from collections.abc import Sequence

from logger_lib import Limits, LogRecord, SpoolPlace
from tests.logger_lib.gate import Gate, GateFactory
from webapp.offload import make_offload

LIMITS = Limits(deadline=0.05, first_pause=0.01, longest_pause=0.05)


class Down(Gate):
    """Hangs for a moment, and then fails."""

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Fail."""
        time.sleep(0.001 * len(batch))
        raise ConnectionError("down")


def main() -> None:
    """Log, flush and say so."""
    home, count = Path(sys.argv[1]), int(sys.argv[2])
    factory = GateFactory(LIMITS, SpoolPlace(home, 1 << 20, make_offload()), Down())
    logger = factory.create_logger("test")
    for number in range(count):
        logger.log(LogRecord(event=str(number), message="m"))
        if logger.flush(10):
            print(number, flush=True)
    if "forget" in sys.argv:
        logger.log(LogRecord(event="last words", message="m"))
        return
    time.sleep(60)


if __name__ == "__main__":
    main()
