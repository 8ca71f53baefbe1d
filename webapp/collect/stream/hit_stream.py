"""The stream of hits in Redis: how a batch gets into it, and how far the writing is behind.

Its entries are hits that are not stored yet: who has stored one deletes it. So its length is the
lag, and it has no bound of its own. Redis's ``maxmemory`` is one: beyond that it refuses batches,
and the spool of whoever appends takes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypedDict, cast

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from webapp.collect.hit import Hit

# The braces have a Redis Cluster keep all three in one slot: beyond that it takes no transaction.
STREAM: Final = "{herald:hits}"
DEAD: Final = "{herald:hits}:dead"
"""What can never be stored, with the reason."""
ALONE: Final = "{herald:hits}:alone"
"""Entries that somebody writes alone just now, or ended over."""
GROUP: Final = "herald:writers"
HIT: Final = b"hit"
"""The field of an entry that has the hit, as JSON."""

ANSWER_SECONDS = 1.0
"""How long Redis may take for a step. A batch that takes longer goes into the spool, and may be in
the stream as well: stored twice, a hit is one."""

# One command for the batch, all of which is in the stream or nothing: 1 us a hit of this process's
# time, against 7 us for a pipeline of XADD.
_APPEND = """
for number = 1, #ARGV do redis.call('XADD', KEYS[1], '*', 'hit', ARGV[number]) end
return #ARGV
"""

EntryFields: TypeAlias = dict[bytes, bytes]


class _Info(TypedDict):
    maxmemory: int
    maxmemory_policy: str
    aof_enabled: int


class _Pending(TypedDict):
    pending: int


class _Idle(TypedDict):
    time_since_delivered: int


_Now: TypeAlias = tuple[int, int]
"""Seconds since 1970, and microseconds."""
_First: TypeAlias = list[tuple[bytes, EntryFields]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far the writing is behind; times are in seconds, by the clock of Redis."""

    entries: int
    """Hits that are in the stream, and therefore not stored yet."""
    oldest: float
    """How long the first of them has been there."""
    pending: int
    """Those of them that a consumer has been given."""
    oldest_idle: float
    """How long ago the first of those was given to one."""
    dead: int
    """What was set aside, as it can never be stored."""


class HitStream:
    """The destination of a pipeline of hits: Redis has what ``write`` returns for."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=None,
        )
        self._append = self._redis.register_script(_APPEND)

    def write(self, batch: Sequence[Hit]) -> Sequence[tuple[Hit, str]]:
        """Append ``batch`` in one round trip; nothing is ever refused for good.

        Raises ``RedisError`` where Redis is out of reach or full. After a time-out the batch may be
        in the stream all the same.
        """
        self._append([STREAM], [hit.to_json() for hit in batch])
        return ()

    def lag(self) -> Lag:
        """Return how far the writing is behind, in one round trip. Raises ``RedisError``."""
        asked = self._redis.pipeline(transaction=False)
        asked.time()
        asked.xlen(STREAM)
        asked.xlen(DEAD)
        asked.xrange(STREAM, count=1)
        asked.xpending(STREAM, GROUP)
        asked.xpending_range(STREAM, GROUP, "-", "+", 1)
        # A group that nobody has made yet is no failure.
        now, entries, dead, first, pending, idle = asked.execute(raise_on_error=False)
        for answer in (now, entries, dead, first):
            if isinstance(answer, RedisError):
                raise answer
        has_group = not isinstance(pending, ResponseError) and not isinstance(idle, ResponseError)
        return Lag(
            entries=cast("int", entries),
            oldest=_age(cast("_Now", now), cast("_First", first)),
            pending=cast("_Pending", pending)["pending"] if has_group else 0,
            oldest_idle=_idle(cast("list[_Idle]", idle)) if has_group else 0.0,
            dead=cast("int", dead),
        )

    def dead_after(self, start: bytes, most: int) -> list[tuple[bytes, EntryFields]]:
        """Return the oldest dead letters from ``start`` on, by their ids. Raises ``RedisError``."""
        return cast(
            "list[tuple[bytes, EntryFields]]", self._redis.xrange(DEAD, min=start, count=most)
        )

    def forget_dead(self, ids: Sequence[bytes]) -> None:
        """Delete dead letters. Raises ``RedisError``."""
        if ids:
            self._redis.xdel(DEAD, *ids)

    def dangers(self) -> list[str]:
        """Return how this Redis is set up to lose hits, each with what to set instead."""
        found = cast("_Info", self._redis.info("memory", "persistence"))
        dangers: list[str] = []
        if not found["aof_enabled"]:
            dangers.append("it keeps nothing on disk: set appendonly to yes")
        if found["maxmemory"] and found["maxmemory_policy"] != "noeviction":
            policy = found["maxmemory_policy"]
            dangers.append(
                f"it drops keys when it is full ({policy}): set maxmemory-policy to noeviction"
            )
        return dangers

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()


def _age(now: _Now, first: _First) -> float:
    if not first:
        return 0.0
    milliseconds = int(first[0][0].split(b"-")[0])
    return max(0.0, now[0] + now[1] / 1e6 - milliseconds / 1000)


def _idle(oldest: list[_Idle]) -> float:
    return oldest[0]["time_since_delivered"] / 1000 if oldest else 0.0
