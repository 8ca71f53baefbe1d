"""The buffer in front of where hits are stored, and what is promised of what is in it."""

import time
from collections.abc import Callable, Sequence

from logger_lib.counters import Counters
from logger_lib.notice import Notice
from logger_lib.pipeline.dead_letters import DeadLetters
from logger_lib.pipeline.delivery import Destination
from logger_lib.pipeline.limits import Limits
from logger_lib.pipeline.pipeline import Pipeline
from logger_lib.pipeline.state import BufferState
from logger_lib.spool.spool import SpoolPlace
from webapp.acknowledgement import Acknowledgement, Refusing
from webapp.collect.hit import Hit
from webapp.collect.hit_form import HitForm, weight

NAME = "hits"
"""What it is called in the spool and among the dead letters."""

HITS_A_TURN = 500
"""How many hits are weighed before others get their turn: about 1 ms."""

_REFUSING = Refusing(
    no_room="hits cannot be taken just now: nothing was kept, send the same again",
    lost="hits may be lost: send the same again; those with a messageId are counted once",
    late="hits are not stored yet: send the same again; those with a messageId are counted once",
)


class Collector:
    """Takes hits of any number of calls and has them written in batches.

    With ``stored`` a call waits for the batch that its hits are in, which is written as soon as the
    one before it is; else batches are as ``limits`` has them. What the destination does not take in
    time is kept in ``place``.
    """

    def __init__(
        self,
        destination: Destination[Hit],
        place: SpoolPlace,
        limits: Limits,
        *,
        stored: bool,
        show: Callable[[Sequence[Hit]], None] | None = None,
    ) -> None:
        self.counters = Counters()
        self._show = show
        self._pipeline = Pipeline(
            destination,
            HitForm(),
            name=f"herald-{NAME}",
            counters=self.counters,
            notice=Notice("Herald collector"),
            limits=limits,
            spool=place.spool(NAME),
            dead_letters=DeadLetters(place.dead_letters_path(NAME), NAME, place.offload),
        )
        self._acknowledgement = Acknowledgement(self, _REFUSING, stored=stored)

    def collect(self, hits: Sequence[Hit]) -> None:
        """Return when ``hits`` are as safe as promised; raises ``Unavailable`` where that fails.

        Some of them may be kept then. Who watches hits sees them in either case.
        """
        if not hits:
            return
        sizes = _weigh(hits)
        lost_before = self._acknowledgement.check()
        put = self._pipeline.put
        for hit, size in zip(hits, sizes, strict=True):
            put(hit, size)
        if self._show is not None:
            self._show(hits)
        self._acknowledgement.confirm(lost_before)

    def accepts(self) -> bool:
        """Say whether what comes now can be expected to be kept."""
        return self._pipeline.accepts()

    @property
    def state(self) -> BufferState:
        """How the buffer is just now."""
        return self._pipeline.state

    @property
    def lost(self) -> int:
        """How many hits found no room, or no destination that took them and no dead letters."""
        return self.counters.lost

    def settle(self, timeout: float) -> bool:
        """Write at once what waits; say whether all of it is kept or counted in ``lost``."""
        return self._pipeline.settle(timeout)

    def flush(self, timeout: float) -> bool:
        """Write at once what waits; say whether all of it is kept."""
        return self._pipeline.flush(timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Flush, put what is left into the spool, and end, within ``timeout`` seconds together."""
        self._pipeline.close(timeout)

    def wake(self) -> None:
        """Write what an earlier process has left in the spool, without waiting for a hit."""
        self._pipeline.wake()


def _weigh(hits: Sequence[Hit]) -> list[int]:
    sizes: list[int] = []
    for number, hit in enumerate(hits, 1):
        sizes.append(weight(hit))
        if not number % HITS_A_TURN:
            time.sleep(0)
    return sizes
