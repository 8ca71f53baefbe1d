"""What the destinations of lines have written of some records, when they have been closed."""

import io
import os
from collections.abc import Iterable

from logger_lib import Counters, LogRecord
from logger_lib.destinations.console import ConsoleLoggerFactory
from logger_lib.destinations.logging import LoggingLoggerFactory


def by_logging(records: Iterable[LogRecord]) -> tuple[str, Counters]:
    """Return the text of the ``logging`` destination, and its counters."""
    stream = io.StringIO()
    factory = LoggingLoggerFactory(stream=stream)
    logger = factory.create_logger("test")
    for each in records:
        logger.log(each)
    logger.close()
    return stream.getvalue(), factory.counters


def by_console(records: Iterable[LogRecord]) -> tuple[str, Counters]:
    """Return the same of ``console``, which writes ASCII; no more than a pipe holds."""
    reading, writing = os.pipe()
    factory = ConsoleLoggerFactory(writing)
    logger = factory.create_logger("test")
    for each in records:
        logger.log(each)
    logger.close()
    os.close(writing)
    with os.fdopen(reading, encoding="ascii", newline="") as pipe:
        return pipe.read(), factory.counters
