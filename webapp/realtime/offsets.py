"""How far a client has come: what it says when it comes back, so that it gets what it missed."""

from __future__ import annotations

import re
from dataclasses import dataclass

Position = tuple[int, int]
"""Where an event stands in the order of all: (milliseconds, number) in Redis, else (count, 0)."""

BEGINNING: Position = (0, 0)
"""Before all events."""

_NAME = "[0-9A-Za-z_-]{1,64}"
_NUMBER = "[0-9]{1,20}"
_TEXT = re.compile(
    rf"(?P<epoch>{_NAME})\.(?P<major>{_NUMBER})-(?P<minor>{_NUMBER})"
    rf"(?:~(?P<host>{_NAME})\.(?P<early>{_NUMBER}))?"
)


@dataclass(frozen=True, slots=True)
class Offset:
    """All up to ``position``, and of what ``host`` delivered early all up to number ``early``.

    It is opaque to clients. An ``epoch`` is the time in which positions can be compared.
    """

    epoch: str
    position: Position
    host: str = ""
    early: int = 0

    @classmethod
    def parse(cls, text: str) -> Offset | None:
        """Return what ``text`` says, or ``None`` where nobody here has written it."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        position = int(found["major"]), int(found["minor"])
        if found["host"] is None:
            return cls(found["epoch"], position)
        return cls(found["epoch"], position, found["host"], int(found["early"]))

    def __str__(self) -> str:
        """Return the text that clients keep; it needs no escapes in JSON."""
        text = f"{self.epoch}.{self.position[0]}-{self.position[1]}"
        return f"{text}~{self.host}.{self.early}" if self.early else text


def with_offset(packet: str, offset: str) -> str:
    """Return the Socket.IO packet of an event with ``offset`` as its last argument."""
    return f'{packet[:-1]},"{offset}"]'
