"""Answers kept for a while, bounded in bytes, each owner within its share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

OVERHEAD_BYTES = 600
"""What an answer costs beside its text: its key, its digest and its places in two tables."""


Confirm: TypeAlias = Callable[[], None]
"""Returns once what was answered is as safe as promised; raises where that takes too long."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer and the SHA-256 of the body that it answers.

    ``confirm`` has to return before it may be given: it could not be at first.
    """

    body_digest: bytes
    answer: bytes
    confirm: Confirm | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    kept: Kept
    size: int


class _Owner:
    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        self.size = 0


class KeptAnswers:
    """Keeps answers for ``seconds``, in ``max_bytes`` at most.

    When it is full, the owner who holds most forgets its oldest answer, and ``evicted`` counts: an
    owner with few answers keeps them, whatever others do.
    """

    def __init__(self, max_bytes: int, seconds: float, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clock = clock
        # All live equally long, so that the first of each table is also the first to end.
        self._order: dict[tuple[str, str], float] = {}
        self._owners: dict[str, _Owner] = {}
        self.size = 0
        self.evicted = 0

    def get(self, owner: str, key: str) -> Kept | None:
        """Return what is kept under ``key`` of ``owner``."""
        self._forget_ended()
        found = self._owners.get(owner)
        entry = None if found is None else found.entries.get(key)
        return None if entry is None else entry.kept

    def keep(self, owner: str, key: str, kept: Kept) -> None:
        """Keep ``kept``; make room where that is needed."""
        self._forget_ended()
        self.forget(owner, key)
        size = OVERHEAD_BYTES + len(owner) + len(key) + len(kept.answer)
        holder = self._owners.setdefault(owner, _Owner())
        ends_at = self._clock() + self._seconds
        holder.entries[key] = _Entry(kept, size)
        holder.size += size
        self._order[owner, key] = ends_at
        self.size += size
        while self.size > self._max_bytes:
            self._evict()

    def forget(self, owner: str, key: str) -> None:
        """Keep nothing under ``key`` of ``owner``."""
        if (owner, key) in self._order:
            self._forget(owner, key)

    def _evict(self) -> None:
        owner, holder = max(self._owners.items(), key=lambda item: item[1].size)
        self._forget(owner, next(iter(holder.entries)))
        self.evicted += 1

    def _forget_ended(self) -> None:
        now = self._clock()
        while self._order:
            (owner, key), ends_at = next(iter(self._order.items()))
            if now < ends_at:
                return
            self._forget(owner, key)

    def _forget(self, owner: str, key: str) -> None:
        del self._order[owner, key]
        holder = self._owners[owner]
        size = holder.entries.pop(key).size
        holder.size -= size
        self.size -= size
        if not holder.entries:
            del self._owners[owner]
