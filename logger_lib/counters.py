"""What became of the records given to a destination."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Numbers of records since the process started; read them at any time."""

    taken: int = 0
    written: int = 0
    dropped: int = 0
    """Refused because the buffer was full, or still waiting when the logger was closed."""
    failed: int = 0
    """Given to the destination, which raised."""
