"""Ranges of days, as they are asked for and as the tables number them."""

from dataclasses import dataclass
from datetime import date, timedelta

EPOCH = date(1970, 1, 1)
LAST_DAY = (date.max - EPOCH).days
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Days:
    """The days from ``start`` to ``end``, both of them in it; None: no bound on that side.

    A day is one in the time zone of the app whose hits are asked for, so that it has a number
    wherever that is.
    """

    start: date | None = None
    end: date | None = None

    @property
    def first(self) -> int:
        """The number of the first day; there is none before 1970."""
        return 0 if self.start is None else max(0, number_of(self.start))

    @property
    def last(self) -> int:
        """The number of the last day."""
        return LAST_DAY if self.end is None else number_of(self.end)

    def to_wire(self) -> dict[str, str | None]:
        """Return the range as it was asked for."""
        return {"startDate": _text(self.start), "endDate": _text(self.end)}


def number_of(day: date) -> int:
    """Return the number under which the tables have ``day``."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """Return the day that the tables have under ``number``."""
    return EPOCH + timedelta(days=number)


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
