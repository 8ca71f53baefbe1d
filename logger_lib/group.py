"""Several loggers that act as one."""

import threading
import time
from collections.abc import Mapping

from logger_lib.logger import Logger
from logger_lib.notice import Notice
from logger_lib.record import LogRecord


class LoggerGroup(Logger):
    """Hands each record to every member; one that raises keeps it from none of the others.

    ``members`` maps the name of each destination, as it is said on stderr, to its logger.
    ``failed`` counts how often one did.
    """

    def __init__(self, members: Mapping[str, Logger]) -> None:
        self._members = [(logger, Notice(name)) for name, logger in members.items()]
        self.failed = 0
        self._lock = threading.RLock()

    def log(self, record: LogRecord) -> None:
        """Hand ``record`` to all, in the order of ``members``."""
        for logger, notice in self._members:
            try:
                logger.log(record)
            except Exception as error:  # noqa: BLE001  a third party's logger may raise anything
                with self._lock:
                    self.failed += 1
                notice.cannot_write(error)

    def flush(self, timeout: float) -> bool:
        """Flush all within ``timeout`` seconds together; True when all were done in it."""
        deadline = time.monotonic() + timeout
        # First ask all, so that they write at the same time; then wait for each.
        for logger, notice in self._members:
            self._flush_one(logger, notice, 0.0)
        remaining = [
            self._flush_one(logger, notice, max(0.0, deadline - time.monotonic()))
            for logger, notice in self._members
        ]
        return all(remaining)

    def close(self, timeout: float = 1.0) -> None:
        """Close all within ``timeout`` seconds together."""
        deadline = time.monotonic() + timeout
        self.flush(timeout)
        for logger, notice in self._members:
            try:
                logger.close(max(0.0, deadline - time.monotonic()))
            except Exception as error:  # noqa: BLE001  a third party's logger may raise anything
                notice.cannot_write(error)

    def _flush_one(self, logger: Logger, notice: Notice, timeout: float) -> bool:
        try:
            return logger.flush(timeout)
        except Exception as error:  # noqa: BLE001  a third party's logger may raise anything
            notice.cannot_write(error)
            return False
