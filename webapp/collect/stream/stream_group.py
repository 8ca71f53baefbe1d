"""The consumers' side of the stream of hits: a group, in which each entry is one consumer's."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias, TypedDict, TypeVar, cast

from redis import Redis
from redis.exceptions import ResponseError
from redis.typing import EncodableT, FieldT

from webapp.collect.stream.hit_stream import ALONE, DEAD, GROUP, STREAM, EntryFields

Result = TypeVar("Result")

ANSWER_SECONDS = 2.0
"""How long Redis may take for a step."""

MOST_DEAD = 10_000
"""How many dead letters are kept, about; the oldest go first."""

FORGOTTEN_SECONDS = 3600.0
"""How long a consumer that is gone, and has nothing left, is remembered."""

MOST_DELIVERIES = 5
"""Whoever is given an entry more often than that writes it alone first."""

_START = "0-0"

# In one step: what a consumer has been given would be nobody's any more.
_LEAVE = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
"""

_Entries: TypeAlias = list[tuple[bytes, EntryFields | None]]


class Entry(NamedTuple):
    """One entry of the stream, by its id."""

    id: bytes
    fields: EntryFields


class DeadLetter(NamedTuple):
    """An entry that can never be stored, and why."""

    id: bytes
    fields: EntryFields
    reason: str


class _Member(TypedDict):
    name: bytes
    pending: int
    idle: int


class _Delivered(TypedDict):
    message_id: bytes
    times_delivered: int


class StreamGroup:
    """What the consumer called ``name`` does with the stream. All of it raises ``RedisError``.

    A group that is not there, or not any more as Redis was emptied, is made: it begins with the
    oldest entry.
    """

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=None,
        )
        self._leave = self._redis.register_script(_LEAVE)
        self._cursor = _START

    def read(self, most: int, wait: float) -> list[Entry]:
        """Return new entries, after up to ``wait`` seconds where there are none."""
        block = int(wait * 1000) or None
        found = self._in_group(
            lambda: cast(
                "list[tuple[bytes, _Entries]]",
                self._redis.xreadgroup(GROUP, self.name, {STREAM: ">"}, count=most, block=block),
            )
        )
        return [Entry(id, fields or {}) for _, entries in found for id, fields in entries]

    def take_over(self, most: int, idle: float) -> list[Entry]:
        """Return entries that their consumer was given over ``idle`` seconds ago.

        Each call looks at a part of what there is; ``has_seen_all`` says whether that was the last.
        """
        cursor, found = self._in_group(
            lambda: cast(
                "tuple[bytes, _Entries]",
                tuple(
                    self._redis.xautoclaim(
                        STREAM, GROUP, self.name, int(idle * 1000), self._cursor, count=most
                    )[:2]
                ),
            )
        )
        self._cursor = cursor.decode()
        return [Entry(id, fields or {}) for id, fields in found]

    @property
    def has_seen_all(self) -> bool:
        """Whether the next look at what others were given begins anew."""
        return self._cursor == _START

    def suspects_among(self, entries: Sequence[Entry]) -> set[bytes]:
        """Return the ids of those that were given to a consumer too often to be good ones."""
        if not entries:
            return set()
        asked = self._redis.pipeline(transaction=False)
        for entry in entries:
            asked.xpending_range(STREAM, GROUP, entry.id, entry.id, 1)
        answers = cast("list[list[_Delivered]]", asked.execute())
        return {
            found["message_id"]
            for answer in answers
            for found in answer
            if found["times_delivered"] > MOST_DELIVERIES
        }

    def begin_alone(self, id: bytes) -> bool:
        """Note that an entry is written alone; say whether another one began so and did not end."""
        self._redis.hsetnx(ALONE, id, self.name)
        return self._redis.hget(ALONE, id) != self.name.encode()

    def end_alone(self, *ids: bytes) -> None:
        """Note that whoever wrote entries alone still lives."""
        if ids:
            self._redis.hdel(ALONE, *ids)

    def stored(self, ids: Sequence[bytes]) -> None:
        """Take out of the stream what is stored."""
        if ids:
            told = self._redis.pipeline(transaction=True)
            told.xack(STREAM, GROUP, *ids)
            told.xdel(STREAM, *ids)
            told.execute()

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Move entries to the dead letters, all or none of them."""
        told = self._redis.pipeline(transaction=True)
        for letter in letters:
            fields: dict[FieldT, EncodableT] = dict(letter.fields.items())
            fields |= {"entry": letter.id, "reason": letter.reason}
            told.xadd(DEAD, fields, maxlen=MOST_DEAD, approximate=True)
            told.hdel(ALONE, letter.id)
            told.xack(STREAM, GROUP, letter.id)
            told.xdel(STREAM, letter.id)
        told.execute()

    def forget_the_gone(self, after: float = FORGOTTEN_SECONDS) -> None:
        """Strike out consumers of which nothing was heard for so long, and that have nothing."""
        members = self._in_group(
            lambda: cast("list[_Member]", self._redis.xinfo_consumers(STREAM, GROUP))
        )
        for member in members:
            if not member["pending"] and member["idle"] > after * 1000:
                self._leave([STREAM], [GROUP, member["name"]])

    def leave(self) -> bool:
        """Strike this consumer out, unless it still has entries; say whether it was."""
        return bool(self._in_group(lambda: self._leave([STREAM], [GROUP, self.name])))

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()

    def _in_group(self, ask: Callable[[], Result]) -> Result:
        try:
            return ask()
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        self._make_group()
        return ask()

    def _make_group(self) -> None:
        try:
            self._redis.xgroup_create(STREAM, GROUP, id=_START, mkstream=True)
        except ResponseError as error:
            # Another consumer was faster.
            if not str(error).startswith("BUSYGROUP"):
                raise
