"""The collect worker, but one that takes others for dead after ``IDLE_SECONDS``.

It waits ``PAUSE_SECONDS`` at the most between two tries. What it writes that holds the text
``DEADLY_TEXT`` ends it, as a fault of a driver would.
"""

import os
import signal
import sys

from sqlalchemy import Engine, event

from logger_lib import Limits
from webapp.collect.worker import main


def _have_end(deadly: str) -> None:
    @event.listens_for(Engine, "before_cursor_execute")
    def end(*about: str) -> None:
        if deadly in str(about):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if deadly := os.environ["DEADLY_TEXT"]:
        _have_end(deadly)
    pause = float(os.environ["PAUSE_SECONDS"])
    limits = Limits(first_pause=min(pause, Limits().first_pause), longest_pause=pause)
    sys.exit(main([], idle=float(os.environ["IDLE_SECONDS"]), limits=limits))
