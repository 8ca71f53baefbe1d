"""Where a consumer's batches go: into the database, and then out of the stream."""

from collections.abc import Sequence
from typing import NamedTuple

from redis.exceptions import RedisError

from logger_lib.notice import Notice, reason_of
from logger_lib.pipeline.delivery import Destination
from webapp.collect.hit import Hit
from webapp.collect.stream.hit_stream import DEAD
from webapp.collect.stream.stream_group import DeadLetter, Entry, StreamGroup
from webapp.errors import Unavailable

TRIES = 5
"""So often a batch fails for another reason than an outage before its hits are tried one by one."""

_DEADLY = "a worker ended while it wrote this alone, after others that were given it"


class Taken(NamedTuple):
    """A hit, and the entry that it came in."""

    entry: Entry
    hit: Hit
    is_suspect: bool = False
    """Whether so many consumers were given it that it may be what ends them."""


class StreamWriter:
    """The destination of a consumer's pipeline: stores hits, then takes them out of the stream."""

    def __init__(
        self, store: Destination[Hit], group: StreamGroup, held: set[bytes], notice: Notice
    ) -> None:
        self._store = store
        self._group = group
        self._held = held
        self._notice = notice
        self._tries = 0
        self.is_failing = False
        self.buried = 0

    def write(self, batch: Sequence[Taken]) -> Sequence[tuple[Taken, str]]:
        """Store ``batch``; what can never be stored becomes a dead letter.

        Raises what the database or Redis fails with: the same batch comes again, which does no
        harm to what is stored.
        """
        ids = [taken.entry.id for taken in batch]
        try:
            deadly = [taken for taken in batch if taken.is_suspect and self._is_deadly(taken)]
            refused = dict.fromkeys((taken.entry.id for taken in deadly), _DEADLY)
            refused |= self._stored([taken for taken in batch if taken.entry.id not in refused])
            self._group.stored([id for id in ids if id not in refused])
        except (Unavailable, RedisError):
            self.is_failing = True
            raise
        except Exception:
            # Others are to share the batch then, or nobody could say whether it is about a hit.
            self.is_failing = self._tries < TRIES
            raise
        self.is_failing = False
        self.bury(
            [
                DeadLetter(*taken.entry, refused[taken.entry.id])
                for taken in batch
                if taken.entry.id in refused
            ]
        )
        self._held.difference_update(ids)
        return ()

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Make dead letters of entries, or leave them where they are if Redis takes none.

        Nobody waits for that: where it is full, it gets room by what is stored and deleted.
        """
        if not letters:
            return
        try:
            self._group.bury(letters)
        except RedisError as error:
            self._notice.cannot_set_aside(error, "they stay in the stream, and are tried again")
            return
        self.buried += len(letters)
        self._notice.refused([letter.reason for letter in letters], f"they are in {DEAD}")

    def _is_deadly(self, taken: Taken) -> bool:
        """Write it alone; say whether that has ended a consumer before."""
        if self._group.begin_alone(taken.entry.id):
            return True
        try:
            self._store.write([taken.hit])
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001  whoever can catch it lives; the batch will find it
            return False
        finally:
            self._group.end_alone(taken.entry.id)
        return False

    def _stored(self, batch: Sequence[Taken]) -> dict[bytes, str]:
        """Store what can be; return why the others can not, by their entry."""
        if not batch:
            return {}
        try:
            refused = self._written(batch)
        except Unavailable:
            raise
        except Exception as error:
            self._tries += 1
            if self._tries < TRIES:
                raise
            refused = self._one_by_one(batch, error)
        self._tries = 0
        return refused

    def _one_by_one(self, batch: Sequence[Taken], cause: Exception) -> dict[bytes, str]:
        """Find those that fail while others do not; raise where it is not about them."""
        refused = self._refused_alone(batch)
        good = next((taken.hit for taken in batch if taken.entry.id not in refused), None)
        if good is None:
            raise cause
        # An outage may have ended among them: what failed has to fail between two writes that do
        # not.
        failed = [taken for taken in batch if taken.entry.id in refused]
        self._store.write([good])
        refused = self._refused_alone(failed)
        self._store.write([good])
        return refused

    def _refused_alone(self, batch: Sequence[Taken]) -> dict[bytes, str]:
        """Write each by itself; return why those can not be that can not, by their entry."""
        refused: dict[bytes, str] = {}
        for taken in batch:
            try:
                refused |= self._written([taken])
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001  whatever a hit is the cause of
                refused[taken.entry.id] = f"no attempt could store it: {reason_of(error)}"
        return refused

    def _written(self, batch: Sequence[Taken]) -> dict[bytes, str]:
        refusals = self._store.write([taken.hit for taken in batch])
        reasons = {id(hit): reason for hit, reason in refusals}
        return {
            taken.entry.id: reasons[id(taken.hit)] for taken in batch if id(taken.hit) in reasons
        }
