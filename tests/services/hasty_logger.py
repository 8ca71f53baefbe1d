"""A third party's destination whose reads often run out of time; an entry point names it."""

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Self

from logger_lib import Logger, LoggerFactory, LogQuery, LogReader, LogRecord, ReadTooLong
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.term_reader import READ_SECONDS

AT_A_TIME = 2
RARE = "rare"


class HastyReader(LogReader):
    """Finds two records in its time, and of events called ``rare`` each second time none."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._turns = count()

    def read(self, query: LogQuery) -> list[LogRecord]:
        """Return what ``stream`` yields."""
        return list(self.stream(query))

    def stream(self, query: LogQuery) -> Iterator[LogRecord]:
        """Yield two records, then raise ``ReadTooLong``."""
        if query.event == RARE and not next(self._turns) % 2:
            raise ReadTooLong(READ_SECONDS)
        for number, record in enumerate(self._reader.stream(query), 1):
            yield record
            if number == AT_A_TIME:
                raise ReadTooLong(READ_SECONDS, record.id)


class HastyLoggerFactory(LoggerFactory):
    """Writes to the ``sql`` destination."""

    def __init__(self, factory: SqlLoggerFactory) -> None:
        super().__init__()
        self._factory = factory

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:
        """Use the database of the settings."""
        return cls(SqlLoggerFactory.from_settings(settings))

    def create_logger(self, name: str) -> Logger:
        """Return a logger of the database."""
        return self._factory.create_logger(name)

    def create_reader(self) -> LogReader:
        """Return the reader that is in a hurry."""
        return HastyReader(self._factory.create_reader())

    def close(self) -> None:
        """Disconnect."""
        self._factory.close()


def install(folder: Path) -> dict[str, str]:
    """Return the settings with which a process logs to ``hasty``."""
    metadata = folder / "hasty-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hasty\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[logger_lib.factories]\nhasty = {__name__}:{HastyLoggerFactory.__name__}\n"
    )
    return {"EVENT_LOGGERS": "hasty", "PYTHONPATH": str(folder)}
