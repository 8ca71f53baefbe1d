"""Every error of the library.

LoggerLibError
├── UnknownDestination       a name that no built-in and no entry point answers to
├── SettingMissing           a destination lacks a variable that it needs
├── DestinationNotReadable   ``create_reader`` of a destination that can only be written
├── DestinationUnavailable   the optional package of a destination is not installed
├── NotALoggerFactory        an entry point names something that is not a factory
├── DestinationUnreachable   a destination did not answer a read
├── ReadTooLong              a read found too little in the time that it may take
├── RecordsRejected          a destination refused some records of a batch and wrote the rest
└── NoLoggerBound            ``current_logger`` outside a registered blueprint
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logger_lib.record import LogRecord


class LoggerLibError(Exception):
    """The base of the library's errors."""


class UnknownDestination(LoggerLibError):
    """A destination was named that neither the library nor an installed package provides."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"no logger is called {name!r}: choose from {', '.join(known)}, or install a package "
            "that offers it under the entry point group 'logger_lib.factories'"
        )


class SettingMissing(LoggerLibError):
    """A destination was chosen without the setting that says where it is."""

    def __init__(self, destination: str, setting: str) -> None:
        super().__init__(
            f"the {destination} logger needs {setting}: set it, or leave the logger out"
        )


class DestinationNotReadable(LoggerLibError):
    """Records that went to this destination cannot be read back from it."""

    def __init__(self, factory: str) -> None:
        super().__init__(
            f"{factory} writes to a destination that cannot be read: read from another"
        )


class DestinationUnavailable(LoggerLibError):
    """The package that a destination is built on is not installed."""

    def __init__(self, destination: str, package: str) -> None:
        super().__init__(
            f"the {destination} logger needs the package {package}: install it, "
            f"or leave {destination!r} out of the loggers"
        )


class NotALoggerFactory(LoggerLibError):
    """An installed package offers, as a destination, something that is not a ``LoggerFactory``."""

    def __init__(self, name: str, target: str) -> None:
        super().__init__(
            f"the entry point {name!r} names {target}, which is no subclass of "
            "logger_lib.LoggerFactory: correct the package that offers it"
        )


class DestinationUnreachable(LoggerLibError):
    """The destination did not answer; the same read may succeed in a moment."""

    def __init__(self, destination: str) -> None:
        super().__init__(f"the log in {destination} is out of reach: try again in a moment")


class ReadTooLong(LoggerLibError):
    """What was asked for is too rare among what has to be looked at for it.

    ``reached`` is the id that the read came to: what was found until there was handed on, and
    ``LogQuery.before`` goes on from it. None: it came nowhere.
    """

    def __init__(self, seconds: float, reached: str | None = None) -> None:
        super().__init__(
            f"not all was found in {seconds:g} s: ask for less, such as a shorter time"
        )
        self.reached = reached


class RecordsRejected(LoggerLibError):
    """Some records of a batch can never be written there; the rest of the batch was.

    ``refusals`` are all of these records, each with the reason.
    """

    def __init__(self, refusals: "Sequence[tuple[LogRecord, str]]") -> None:
        first = f", the first because {refusals[0][1]}" if refusals else ""
        super().__init__(f"{len(refusals)} refused{first}")
        self.refusals = refusals


class NoLoggerBound(LoggerLibError):
    """A logger was asked for where no registered blueprint is handling a request."""

    def __init__(self, blueprint: str | None) -> None:
        super().__init__(
            f"blueprint {blueprint!r} has no loggers: register it with "
            "logger_lib.flask.register_blueprint(app, blueprint, loggers=(…))"
        )
