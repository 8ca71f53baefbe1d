"""The end of the sockets whose key was revoked or has expired."""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from logger_lib import Logger
from webapp.realtime.watch import Watch

CHECK_SECONDS = 1.0
"""How often the keys of the open sockets are looked at; with it a revocation is seen in 2 s."""


class KeyedSockets(Protocol):
    """The open sockets, by the key that they were let in with."""

    def keys_in_use(self) -> frozenset[str]:
        """Return the ids of the keys of all open sockets."""

    def part_with(self, key_ids: Collection[str]) -> None:
        """End the sockets of these keys for good."""


class RevocationWatch(Watch):
    """Looks once a second, in one query for all, whether the keys in use are still good."""

    def __init__(
        self,
        sockets: KeyedSockets,
        revoked_among: Callable[[Iterable[str]], Collection[str]],
        logger: Logger,
        *,
        seconds: float = CHECK_SECONDS,
    ) -> None:
        """``revoked_among`` tells which keys are good no more."""
        super().__init__("looking for revoked keys", logger, seconds)
        self._sockets = sockets
        self._revoked_among = revoked_among

    def look(self) -> None:
        """End the sockets whose key is revoked or expired."""
        in_use = self._sockets.keys_in_use()
        if in_use and (revoked := self._revoked_among(in_use)):
            self._sockets.part_with(revoked)
