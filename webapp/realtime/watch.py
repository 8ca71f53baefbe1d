"""What is looked at again and again for as long as the process lives."""

from abc import ABC, abstractmethod

import eventlet

from logger_lib import Failure, Level, Logger, LogRecord
from webapp.redaction import without_secrets


class Watch(ABC):
    """Looks every so many seconds; a look that fails is logged, once for all in a row."""

    def __init__(self, what: str, logger: Logger, seconds: float) -> None:
        """``what`` names the look where it fails."""
        self._what = what
        self._logger = logger
        self._seconds = seconds
        self._is_failing = False

    @abstractmethod
    def look(self) -> None:
        """Look once."""

    def run(self) -> None:
        """Watch for ever."""
        while True:
            eventlet.sleep(self._seconds)
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - logged below
                # The next look may succeed; without one, nothing would ever be ended again.
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
                message=without_secrets(f"{self._what}: {type(error).__name__}: {error}"),
                failure=Failure.of(error),
            )
        )
