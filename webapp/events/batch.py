"""The events of one batch: published in their order, answered as all of them are on their way."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from logger_lib import JsonValue, Logger
from webapp.errors import HeraldError, Unavailable
from webapp.events.fan_out import Patience
from webapp.events.publisher import Publisher, Publishing
from webapp.events.schema import load_event

Room: TypeAlias = Callable[[], int]
"""Waits for room in the log; raises ``Unavailable`` where there is none."""

WORK_A_TURN = 1000
"""How much of a batch is published before others get their turn, in recipients: about 5 ms."""

ITEM_WORK = 4
"""What an event costs beside its recipients, in recipients."""

FIRST_ON_WAY, MOST_ON_WAY = 10, 100
WORK_ON_WAY = 3_000
"""How many events are on their way to the sockets here together: so many until it is known what
they cost, then as many as that, in recipients. They are not in the log's buffers yet."""


class BatchPublishing:
    """Publishes the items of one call for an app; all of them share one ``Patience``."""

    def __init__(self, publisher: Publisher, app_id: str, logger: Logger) -> None:
        self._publisher = publisher
        self._app_id = app_id
        self._logger = logger
        self._patience = Patience()
        self._begun: list[Publishing | HeraldError] = []
        self._on_way: deque[Publishing] = deque()
        self._most = FIRST_ON_WAY
        self._work = 0

    def publish(self, items: Sequence[JsonValue], room: Room) -> list[JsonValue]:
        """Return one answer or error an item, in order; what finds no ``room`` was not sent."""
        for item in items:
            self._begin(item)
            self._deliver_those_that_are_given()
            if self._work >= WORK_A_TURN:
                self._work = 0
                # Others' turn, and the loggers', whose buffers would be full before the end.
                time.sleep(0)
                try:
                    room()
                except Unavailable as error:
                    return self._answers() + [error.to_wire()] * (len(items) - len(self._begun))
        return self._answers()

    def _begin(self, item: JsonValue) -> None:
        self._work += ITEM_WORK
        try:
            event = load_event(item, self._app_id)
            begun = self._publisher.begin(event, self._logger)
        except HeraldError as error:
            self._begun.append(error)
        else:
            self._begun.append(begun)
            self._on_way.append(begun)

    def _deliver_those_that_are_given(self) -> None:
        on_way = self._on_way
        while on_way and (len(on_way) >= self._most or on_way[0].is_given):
            recipients = on_way.popleft().deliver(self._patience)
            self._work += recipients
            self._most = max(1, min(MOST_ON_WAY, WORK_ON_WAY // (recipients + ITEM_WORK)))

    def _answers(self) -> list[JsonValue]:
        """Return the answers of all that were begun, once other hosts have had their time."""
        while self._on_way:
            self._on_way.popleft().deliver(self._patience)
        return [
            begun.to_wire()
            if isinstance(begun, HeraldError)
            else begun.receipt(self._patience).to_wire()
            for begun in self._begun
        ]
