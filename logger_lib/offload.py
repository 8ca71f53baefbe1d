"""Where a call runs that would hold up everything else if it ran here.

Most programs run their destinations in ordinary threads, where a blocking call hurts nobody. A
program on an event loop passes an ``Offload`` of its own that moves the call to a real thread and
lets the loop go on until it returns.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Offload(Protocol):
    """Runs a call to its end, elsewhere if need be."""

    def __call__(self, call: Callable[[], Result], /) -> Result:
        """Return the result of ``call``, or raise its error."""
        ...


def inline(call: Callable[[], Result], /) -> Result:
    """Run ``call`` here: for programs in which a blocking call holds up its own thread alone."""
    return call()
