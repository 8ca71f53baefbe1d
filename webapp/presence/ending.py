"""The end of one socket, on whichever host it is."""

from __future__ import annotations

from typing import Protocol

from logger_lib import JsonObject
from webapp.errors import NotFound, Unavailable
from webapp.names import MAX_NAME
from webapp.presence.census import Alone, Others
from webapp.presence.question import MalformedAnswer

_ASKED = "end"
_ENDED = "ended"


class Parting(Protocol):
    """What ends a socket here."""

    def part_with_socket(self, app_id: str, sid: str) -> bool:
        """End a socket of an app for good; returns whether it is here."""
        ...


class Ending:
    """Ends sockets here, and has the other hosts end theirs."""

    def __init__(self, parting: Parting, others: Others | None = None) -> None:
        self._parting = parting
        self._others = others or Alone()

    def end(self, app_id: str, sid: str) -> None:
        """End the socket ``sid`` of an app so that its client does not come back by itself.

        Raises ``NotFound`` where no host has it, and ``Unavailable`` where one that has not
        answered may have it: asked again, it may have been ended.
        """
        if len(sid) > MAX_NAME:
            raise _no_such_socket()
        if self._parting.part_with_socket(app_id, sid):
            return
        answers, unreached = self._others.ask({"app": app_id, _ASKED: sid})
        if any(answer.get(_ENDED) is True for answer in answers):
            return
        if unreached:
            raise Unavailable(
                f"not on the hosts that have answered; these have not: {', '.join(unreached)}."
                " Try again."
            )
        raise _no_such_socket()

    @staticmethod
    def is_asked(question: JsonObject) -> bool:
        """Say whether another host asks to have a socket ended."""
        return _ASKED in question

    def answer(self, question: JsonObject) -> JsonObject:
        """Say whether the socket that another host names was here. Raises ``MalformedAnswer``."""
        match question:
            case {"app": str(app_id), "end": str(sid)}:
                return {_ENDED: self._parting.part_with_socket(app_id, sid)}
        raise MalformedAnswer("names no socket of an app")


def _no_such_socket() -> NotFound:
    return NotFound("the app has no such socket, or not any more: GET /sockets lists them")
