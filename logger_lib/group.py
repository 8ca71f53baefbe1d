"""Several loggers that act as one."""

import time
from collections.abc import Mapping

from logger_lib.counters import Counters
from logger_lib.logger import Logger
from logger_lib.notice import Notice
from logger_lib.record import LogRecord


class LoggerGroup(Logger):
    """Hands each record to every member; one that raises keeps it from none of the others.

    ``members`` maps the name of each destination, as it is said on stderr, to its logger.
    ``counters.failed`` counts what members raised.
    """

    def __init__(self, members: Mapping[str, Logger]) -> None:
        self._members = [(logger, Notice(name)) for name, logger in members.items()]
        self.counters = Counters()

    def log(self, record: LogRecord) -> None:
        """Hand ``record`` to all, in the order of ``members``."""
        self.counters.taken += 1
        for logger, notice in self._members:
            try:
                logger.log(record)
            except Exception as error:  # noqa: BLE001  a third party's logger may raise anything
                self.counters.failed += 1
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

    def close(self) -> None:
        """Close all."""
        self.flush(0.0)
        for logger, notice in self._members:
            try:
                logger.close()
            except Exception as error:  # noqa: BLE001  a third party's logger may raise anything
                notice.cannot_write(error)

    def _flush_one(self, logger: Logger, notice: Notice, timeout: float) -> bool:
        try:
            return logger.flush(timeout)
        except Exception as error:  # noqa: BLE001  a third party's logger may raise anything
            notice.cannot_write(error)
            return False
