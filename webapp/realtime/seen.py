"""What a client has certainly got: all that was sent to it before a ping that it has answered."""

from __future__ import annotations

from collections.abc import Callable


class Seen:
    """The offset up to which a client has seen everything, also while no event is for it.

    ``head`` says up to where everything has been sent to it; empty where that cannot be said.
    """

    __slots__ = ("_asked", "_head", "offset")

    def __init__(self, offset: str, head: Callable[[], str]) -> None:
        self.offset = offset
        self._head = head
        self._asked = ""

    def ask(self) -> None:
        """Take note that it is pinged."""
        self._asked = self._head()

    def confirm(self) -> None:
        """Take note that it has answered the ping."""
        if self._asked:
            self.offset = self._asked
