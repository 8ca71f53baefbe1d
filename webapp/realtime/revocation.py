"""The end of the sockets whose key was revoked or has expired."""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import eventlet

CHECK_SECONDS = 1.0
"""How often the keys of the open sockets are looked at; with it a revocation is seen in 2 s."""


class KeyedSockets(Protocol):
    """The open sockets, by the key that they were let in with."""

    def keys_in_use(self) -> frozenset[str]:
        """Return the ids of the keys of all open sockets."""

    def part_with(self, key_ids: Collection[str]) -> None:
        """End the sockets of these keys for good."""


class RevocationWatch:
    """Looks once a second, in one query for all, whether the keys in use are still good."""

    def __init__(
        self, sockets: KeyedSockets, revoked_among: Callable[[Iterable[str]], Collection[str]]
    ) -> None:
        """``revoked_among`` tells which keys are good no more; it must not raise."""
        self._sockets = sockets
        self._revoked_among = revoked_among

    def run(self) -> None:
        """Watch for ever."""
        while True:
            eventlet.sleep(CHECK_SECONDS)
            self.check()

    def check(self) -> None:
        """Look once."""
        in_use = self._sockets.keys_in_use()
        if in_use and (revoked := self._revoked_among(in_use)):
            self._sockets.part_with(revoked)
