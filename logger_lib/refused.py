"""What becomes of items that their destination can never hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Generic

from logger_lib.dead_letters import DeadLetter, DeadLetters
from logger_lib.flow import Form, Item
from logger_lib.notice import Notice

_LONGEST_TEXT = 10_000


class Refused(Generic[Item]):
    """Keeps them as dead letters, where there is a place for these."""

    def __init__(self, form: Form[Item], letters: DeadLetters | None, notice: Notice) -> None:
        self._form = form
        self._letters = letters
        self._notice = notice

    def keep(
        self, refusals: Sequence[tuple[Item, str]], odd: Sequence[tuple[str, str]] = ()
    ) -> tuple[int, int]:
        """Keep ``refusals``, and texts that are no items; return how many are kept and are not."""
        count = len(refusals) + len(odd)
        if not count:
            return 0, 0
        reasons = [reason for _, reason in (*refusals, *odd)]
        if self._letters is None:
            self._notice.refused(reasons, "records are counted as failed")
            return 0, count
        letters = [DeadLetter(self._content(item), reason) for item, reason in refusals]
        letters += [DeadLetter(json.dumps(text), reason) for text, reason in odd]
        try:
            self._letters.keep(letters)
        except OSError as error:
            self._notice.cannot_keep(error)
            return 0, count
        self._notice.refused(reasons, f"they are in {self._letters.path}")
        return count, 0

    def _content(self, item: Item) -> str:
        try:
            return self._form.encode(item)
        except (ValueError, TypeError, RecursionError):
            return json.dumps(_shown(item))


def _shown(item: Item) -> str:
    try:
        return repr(item)[:_LONGEST_TEXT]
    except RecursionError:
        return f"a {type(item).__name__} that cannot be shown"
