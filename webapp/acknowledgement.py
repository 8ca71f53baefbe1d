"""When what was sent is answered: what ``EVENT_ACK`` promises."""

import time
from typing import NamedTuple, Protocol

from webapp.errors import RecordLost, Unavailable

STORE_SECONDS = 5.0
"""How long a call waits to be stored. A destination that is slow or down costs a second, until its
batch is on this host's disk."""

ROOM_SECONDS = 1.0
"""How long a call waits for room in the buffers."""

POLL_SECONDS = 0.02
"""How often it looks where there is nothing to wait for: a disk or a destination that is down."""


class Keeper(Protocol):
    """What is to keep what was sent: a logger, or anything else with a pipeline."""

    def accepts(self) -> bool:
        """Say whether what comes now can be expected to be kept."""
        ...

    @property
    def lost(self) -> int:
        """How much was taken, or found no room, and is kept nowhere."""
        ...

    def settle(self, timeout: float) -> bool:
        """Write at once what waits; say whether all of it is kept or counted in ``lost``."""
        ...


class Refusing(NamedTuple):
    """What the sender is told to do next."""

    no_room: str
    """Nothing was done."""
    lost: str
    late: str


class Acknowledgement:
    """What stands between the sending of something and the answer to its sender.

    ``queued`` promises that what is answered has a place in the buffers of every durable keeper;
    ``stored`` that these have committed it, or have it on disk.
    """

    def __init__(self, keeper: Keeper, refusing: Refusing, *, stored: bool) -> None:
        self._keeper = keeper
        self._refusing = refusing
        self._stored = stored

    @property
    def lost(self) -> int:
        """How much has been lost until now, for ``confirm``."""
        return self._keeper.lost

    def check(self) -> int:
        """Return how much has been lost until now, for ``confirm``, once more can be promised.

        Raises ``Unavailable`` where it cannot be for ``ROOM_SECONDS``: nothing was done yet.
        Between this and the handing over nobody else may get a turn.
        """
        keeper = self._keeper
        if not keeper.accepts():
            self._await_room()
        return keeper.lost

    def confirm(self, lost_before: int) -> None:
        """Return when what was handed over after ``check`` is as safe as promised.

        Raises ``RecordLost`` where something was lost since, whoever sent it, and ``Unavailable``
        where it takes too long: it may be kept still.
        """
        settled = not self._stored or self._keeper.settle(STORE_SECONDS)
        if self._keeper.lost > lost_before:
            raise RecordLost(self._refusing.lost)
        if not settled:
            raise Unavailable(self._refusing.late)

    def _await_room(self) -> None:
        deadline = time.monotonic() + ROOM_SECONDS
        while not self._keeper.accepts():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Unavailable(self._refusing.no_room)
            if self._keeper.settle(left):
                time.sleep(POLL_SECONDS)
