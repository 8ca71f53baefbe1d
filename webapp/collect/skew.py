"""When a hit happened: its sender's clock, put right by ours. All times are in ms since 1970."""

from datetime import datetime

EARLIEST = 946_684_800_000
"""2000-01-01T00:00Z: no hit is from before."""

MOST_AHEAD = 24 * 60 * 60 * 1000
"""How far in the future a hit may lie that is taken as of now: clocks go wrong by that much."""

LEAST_NUMBER = 100_000_000_000
"""What is less was meant in seconds."""

ISO = 'Must be a time with its offset, such as "2026-11-22T12:00:00.250Z", or ms since 1970.'


class TimeRefused(ValueError):
    """No time, or none at which a hit can have happened; the message is for its sender."""


def read_moment(value: str | int) -> int:
    """Return a time as it was sent, in ISO 8601 with an offset or in ms; raises ``TimeRefused``."""
    if isinstance(value, int):
        if value < LEAST_NUMBER:
            raise TimeRefused("A number is a time in ms since 1970: this one is too small.")
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise TimeRefused(ISO) from error
    if moment.tzinfo is None:
        raise TimeRefused(ISO)
    return round(moment.timestamp() * 1000)


def happened_at(timestamp: int | None, sent_at: int | None, received_at: int) -> int:
    """Return when what was received at ``received_at`` happened; raises ``TimeRefused``.

    Where the sender says by the same clock when it was sent, only the time between the two counts.
    Nothing is from the future: what seems to be is from now.
    """
    if timestamp is None:
        return received_at
    at = timestamp if sent_at is None else received_at - (sent_at - timestamp)
    if at < EARLIEST:
        raise TimeRefused("Lies before the year 2000.")
    if at > received_at + MOST_AHEAD:
        raise TimeRefused(
            "Lies more than a day in the future: add sentAt, by the same clock, to put it right."
        )
    return min(at, received_at)
