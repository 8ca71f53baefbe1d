"""The end of the sockets whose key was revoked or has expired."""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import eventlet

from logger_lib import Failure, Level, Logger, LogRecord
from webapp.redaction import without_secrets

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
        self,
        sockets: KeyedSockets,
        revoked_among: Callable[[Iterable[str]], Collection[str]],
        logger: Logger,
        *,
        seconds: float = CHECK_SECONDS,
    ) -> None:
        """``revoked_among`` tells which keys are good no more."""
        self._sockets = sockets
        self._revoked_among = revoked_among
        self._logger = logger
        self._seconds = seconds
        self._is_failing = False

    def run(self) -> None:
        """Watch for ever."""
        while True:
            eventlet.sleep(self._seconds)
            try:
                self.check()
            except Exception as error:  # noqa: BLE001 - logged below
                # The next look may succeed; without one, no key would ever be revoked again.
                self._failed(error)
            else:
                self._is_failing = False

    def _failed(self, error: Exception) -> None:
        if self._is_failing:
            return  # said already
        self._is_failing = True
        self._logger.log(
            LogRecord(
                level=Level.ERROR,
                event="socket.failed",
                message=without_secrets(
                    f"looking for revoked keys: {type(error).__name__}: {error}"
                ),
                failure=Failure.of(error),
            )
        )

    def check(self) -> None:
        """Look once."""
        in_use = self._sockets.keys_in_use()
        if in_use and (revoked := self._revoked_among(in_use)):
            self._sockets.part_with(revoked)
