"""Looks at Redis, where hits wait: whether a worker stores them, and whether Redis keeps them."""

import sys
import time

from redis.exceptions import RedisError, ResponseError

from logger_lib import JsonObject
from webapp.collect.stream.hit_stream import HitStream, Lag

EVERY_SECONDS = 30.0
LATE_SECONDS = 120.0
"""How long a hit may wait: twice as long as ``COLLECT_BATCH_SECONDS`` can be."""


class LagWatch:
    """Looks at the start and every half minute, and says on stderr what is not as it should be."""

    def __init__(self, stream: HitStream, late: float = LATE_SECONDS) -> None:
        self._stream = stream
        self._late = late
        self._seen: Lag | None = None
        self._has_looked = False
        self._is_late = False
        self._knows_dangers = False

    def run(self) -> None:
        """Watch for ever."""
        while True:
            self.look()
            time.sleep(EVERY_SECONDS)

    def look(self) -> None:
        """Look once."""
        self._has_looked = True
        try:
            self._seen = lag = self._stream.lag()
            if not self._knows_dangers:
                self._say_dangers()
        except RedisError:
            # Whoever appends to it says so.
            self._seen = None
            return
        was_late, self._is_late = self._is_late, lag.oldest > self._late
        if self._is_late and not was_late:
            sys.stderr.write(
                f"Herald: {lag.entries} hits wait in Redis, the first for {lag.oldest:.0f} s: is"
                " 'python -m webapp.collect.worker' running? It says why it stores nothing. They"
                " are kept until it does; this is said once.\n"
            )
        elif was_late and not self._is_late:
            sys.stderr.write("Herald: the hits that waited in Redis are stored.\n")

    @property
    def lag(self) -> Lag | None:
        """What the last look saw; ``None`` where Redis did not answer, or there was none yet."""
        return self._seen

    def seen(self) -> JsonObject:
        """Return what the last look saw, for who asks whether Herald is well."""
        lag = self._seen
        if not self._has_looked:
            return {"redis": "not looked at yet"}
        if lag is None:
            return {"redis": "does not answer; hits are kept on disk"}
        return {
            "redis": "ok",
            "worker": "late: is one running?" if self._is_late else "ok",
            "waitingHits": lag.entries,
            "oldestSeconds": round(lag.oldest, 1),
            "deadLetters": lag.dead,
        }

    def _say_dangers(self) -> None:
        try:
            dangers = self._stream.dangers()
        except (KeyError, ResponseError):
            # Not every host tells of its settings, nor lets everybody ask.
            dangers = []
        self._knows_dangers = True
        for danger in dangers:
            sys.stderr.write(f"Herald: hits may be lost with this Redis: {danger}.\n")
