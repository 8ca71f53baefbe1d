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
"""How many events wait for other hosts together: so many until it is known what they cost, then
as many as that, in recipients. Their deliveries are not in the log's buffers yet."""


class BatchPublishing:
    """Publishes the items of one call for an app; all of them share one ``Patience``."""

    def __init__(self, publisher: Publisher, app_id: str, logger: Logger) -> None:
        self._publisher = publisher
        self._app_id = app_id
        self._logger = logger
        self._patience = Patience()
        self._on_way: deque[Publishing | HeraldError] = deque()
        self._most = FIRST_ON_WAY
        self._work = 0
        self._answers: list[JsonValue] = []

    def publish(self, items: Sequence[JsonValue], room: Room) -> list[JsonValue]:
        """Return one answer or error an item, in order; what finds no ``room`` was not sent."""
        for item in items:
            self._on_way.append(self._begin(item))
            self._answer_those_that_are_settled()
            if self._work >= WORK_A_TURN:
                self._work = 0
                # Others' turn, and the loggers', whose buffers would be full before the end.
                time.sleep(0)
                try:
                    room()
                except Unavailable as error:
                    self._answer_all()
                    return self._answers + [error.to_wire()] * (len(items) - len(self._answers))
        self._answer_all()
        return self._answers

    def _begin(self, item: JsonValue) -> Publishing | HeraldError:
        try:
            return self._publisher.begin(load_event(item, self._app_id), self._logger)
        except HeraldError as error:
            return error

    def _answer_those_that_are_settled(self) -> None:
        on_way = self._on_way
        while on_way and (len(on_way) >= self._most or _is_settled(on_way[0])):
            self._answer(on_way.popleft())

    def _answer_all(self) -> None:
        while self._on_way:
            self._answer(self._on_way.popleft())

    def _answer(self, first: Publishing | HeraldError) -> None:
        self._work += ITEM_WORK
        if isinstance(first, HeraldError):
            self._answers.append(first.to_wire())
            return
        receipt = first.receipt(self._patience)
        self._answers.append(receipt.to_wire())
        self._work += receipt.recipients
        self._most = max(1, min(MOST_ON_WAY, WORK_ON_WAY // (receipt.recipients + ITEM_WORK)))


def _is_settled(event: Publishing | HeraldError) -> bool:
    return isinstance(event, HeraldError) or event.is_settled
