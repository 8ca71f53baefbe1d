"""Real threads for calls that block the event loop.

Such calls are sqlite3 and fsync, and a write to a pipe that nobody reads.
"""

import atexit
from collections.abc import Callable
from typing import TypeVar

from eventlet import patcher, semaphore, tpool

from logger_lib.offload import Offload, inline

Result = TypeVar("Result")

THREADS = 10
"""More than there are offloads, each of which uses one at a time. What one batch took once, the C
library keeps for each thread for good: with eventlet's twenty that were 70 MiB."""


class ThreadOffload:
    """Runs blocking calls in a real thread, one at a time, while the event loop goes on.

    One at a time, because the locks that a destination's library makes for it, such as those of an
    engine's pool, are green after patching: free to use from any thread, but a green lock that two
    threads want at once never wakes the second one. Locks that are shared by several destinations
    must be real ones (``webapp.patching`` sees to SQLAlchemy's); for the same reason a call must
    not use the ``logging`` module.
    """

    def __init__(self) -> None:
        self._turn = semaphore.Semaphore(1)

    def __call__(self, call: Callable[[], Result], /) -> Result:
        """Run ``call`` in a thread of eventlet's pool and return its result or raise its error."""
        with self._turn:
            return tpool.execute(call)


def make_offload() -> Offload:
    """Return an offload for one destination: a real thread under eventlet, else none."""
    if not patcher.is_monkey_patched("thread"):
        return inline
    tpool.set_num_threads(THREADS)
    # At the end of the process it would wait for calls that hang; the threads end with it anyway.
    atexit.unregister(tpool.killall)
    return ThreadOffload()
