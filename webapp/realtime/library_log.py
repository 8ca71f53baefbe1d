"""What the Socket.IO libraries have to say, through our own loggers.

Left to themselves they print to standard error from the event loop, in a form of their own.
"""

import logging

from logger_lib import Level, Logger, LogRecord
from webapp.redaction import without_secrets


class LibraryLog(logging.Handler):
    """Passes on the failures that the libraries report; counts the refusals among them."""

    def __init__(self, logger: Logger) -> None:
        super().__init__(logging.ERROR)
        self._logger = logger
        self.refusals = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Log a failure with its kind; a request that was refused is only counted."""
        if record.exc_info is None or record.exc_info[1] is None:
            self.refusals += 1
            return
        error = record.exc_info[1]
        self._logger.log(
            LogRecord(
                level=Level.ERROR,
                event="socket.failed",
                message=without_secrets(f"{record.getMessage()}: {type(error).__name__}: {error}"),
            )
        )


def library_logger(logger: Logger) -> logging.Logger:
    """Return what the libraries are to log to: nothing but a ``LibraryLog`` hears it."""
    library = logging.Logger("herald.socketio", logging.ERROR)
    library.addHandler(LibraryLog(logger))
    return library
