"""How far a client has come: what it says when it comes back, so that it gets what it missed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

Position = tuple[int, int]
"""Where an event stands in the order of all: (milliseconds, number) in Redis, else (count, 0)."""

BEGINNING: Position = (0, 0)
"""Before all events."""

_NAME = "[0-9A-Za-z_-]{1,64}"
_NUMBER = "[0-9]{1,20}"
_AHEAD = rf"~{_NAME}\.{_NUMBER}"
_TEXT = re.compile(
    rf"(?P<epoch>{_NAME})\.(?P<major>{_NUMBER})-(?P<minor>{_NUMBER})(?P<ahead>(?:{_AHEAD})*)"
)

MAX_AHEAD = 100
"""Of how many hosts an offset tells what was had ahead of the stream; of more it tells nothing.

About 20 characters each, which each event carries along while the stream lacks any of that."""

UNKNOWN_EPOCH = "-"
"""Nobody can come back to it."""


@dataclass(frozen=True, slots=True)
class Offset:
    """All up to ``position``, and of each host that is ``ahead`` all up to that number.

    It is opaque to clients. An ``epoch`` is the time in which positions can be compared. Ahead is
    what a host gave its sockets before the stream had it, or what the stream has lost since.
    """

    epoch: str
    position: Position
    ahead: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Offset | None:
        """Return what ``text`` says, or ``None`` where nobody here has written it."""
        found = _TEXT.fullmatch(text)
        if found is None:
            return None
        ahead = [each.split(".") for each in found["ahead"].split("~")[1:]]
        return cls(
            found["epoch"],
            (int(found["major"]), int(found["minor"])),
            tuple((host, int(number)) for host, number in ahead),
        )

    def number_of(self, host: str) -> int:
        """Return up to which number of ``host`` it tells that all was had; 0: it does not tell."""
        for name, number in self.ahead:
            if name == host:
                return number
        return 0

    def and_ahead(self, ahead: Mapping[str, int]) -> Offset:
        """Return the offset of who has had these, too."""
        if not ahead:
            return self
        had = dict(self.ahead)
        more = {host: max(number, had.get(host, 0)) for host, number in ahead.items()}
        return replace(self, ahead=tuple((had | more).items()))

    def and_all_of(self, other: Offset) -> Offset:
        """Return the offset of who has had what either tells of, in one epoch."""
        position = max(self.position, other.position)
        return replace(self, position=position).and_ahead(dict(other.ahead))

    def __str__(self) -> str:
        """Return the text that clients keep; it needs no escapes in JSON."""
        text = f"{self.epoch}.{self.position[0]}-{self.position[1]}"
        if not self.ahead:
            return text
        return text + "".join(f"~{host}.{number}" for host, number in self.ahead)


NOWHERE = Offset(UNKNOWN_EPOCH, BEGINNING)
"""The offset of who has had nothing."""


def with_offset(packet: str, offset: str) -> str:
    """Return the Socket.IO packet of an event with ``offset`` as its last argument."""
    return f'{packet[:-1]},"{offset}"]'
