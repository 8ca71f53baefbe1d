"""Sessions in Redis, so that a client can come back to another host than it was on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import cast

import eventlet
import orjson

from logger_lib import JsonObject
from webapp.prompt_redis import PromptRedis
from webapp.realtime.offsets import NOWHERE, Offset
from webapp.realtime.sessions import MAX_SESSIONS, Claimant, MemorySessions, Session

PREFIX = "herald:session:"

KEPT_AT_ONCE = 200
"""How many sessions are written in one go."""

AGAIN_SECONDS = 1.0
"""When what could not be written is written again."""

KEEP = """
local held = redis.call('HGET', KEYS[1], 'host')
if held and held ~= ARGV[1] and ARGV[4] == '0' then return 0 end
redis.call('HSET', KEYS[1], 'host', ARGV[1], 'session', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
"""Of a session that another host has taken over, the first one has no more to say."""

_NO_ANSWER: bytes | None = b""

_Waiting = tuple[Session | None, bool]
"""A session and whether it is taken over, or ``None`` for one that is to be deleted."""


class RedisSessions:
    """Sessions that outlive this process, for ``seconds`` each time that one is kept.

    What is kept is written behind the caller, the last state of each session once. Without an
    answer of Redis it waits, and those sessions are found whose sockets were here last.
    """

    outlives = True

    def __init__(self, url: str, seconds: float, *, most: int = MAX_SESSIONS) -> None:
        self._redis = PromptRedis(
            url, meanwhile="clients that come back to another host begin anew there"
        )
        self._milliseconds = int(seconds * 1000)
        self._most = most
        # What those that left this host had when they did, for when Redis does not answer.
        self._own = MemorySessions(seconds, most=most)
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._is_writing = False
        self.given_up = 0
        """How many could not be written, as too many waited for Redis."""

    def __len__(self) -> int:
        """Return how many wait to be written."""
        return len(self._waiting)

    def keep(self, session: Session) -> None:
        """Keep ``session`` from now on for its time, unless another host has taken it over."""
        self._own.keep(session)
        # A session that is to be taken over is, in the state that it has by now.
        _, takes = self._waiting.pop(session.pid, (session, False))
        self._write_soon(session.pid, (session, takes))

    def take(self, session: Session) -> None:
        """Keep ``session``, which is its ``host``'s from now on."""
        self._waiting.pop(session.pid, None)
        self._own.keep(session)
        self._write_soon(session.pid, (session, True))

    def release(self, sid: str) -> None:
        """Take note that another host has taken over the session of the socket ``sid``."""
        pid = self._own.pid_of(sid)
        if pid is not None:
            # Written later, it would take the session away from where it is now.
            self._waiting.pop(pid, None)
        self._own.release(sid)

    def find(self, pid: str) -> Session | None:
        """Return the session ``pid``, as this host left it where Redis does not answer."""
        waiting = self._waiting.get(pid)
        if waiting is not None:
            return waiting[0]
        text = self._redis.ask(lambda: self._read(pid), _NO_ANSWER)
        return self._own.find(pid) if text == _NO_ANSWER else _session_in(text)

    def _read(self, pid: str) -> bytes | None:
        return cast("bytes | None", self._redis.client.hget(PREFIX + pid, "session"))

    def forget(self, pid: str) -> None:
        """Give a session up, in Redis as soon as it answers."""
        self._waiting.pop(pid, None)
        self._own.forget(pid)
        is_gone = self._redis.ask(lambda: self._delete(pid), otherwise=False)
        # What is being written just now may have it in Redis again.
        if not is_gone or self._is_writing:
            self._write_soon(pid, (None, False))

    def _delete(self, pid: str) -> bool:
        self._redis.client.delete(PREFIX + pid)
        return True

    def flush(self, timeout: float = 0.0) -> bool:
        """Write what waits, as far as Redis answers within ``timeout``; say whether it did."""
        with eventlet.Timeout(timeout or None, False):
            while self._waiting and self._write_some():
                pass
        return not self._waiting

    def close(self, timeout: float) -> None:
        """Write what waits, and disconnect."""
        self.flush(timeout)
        self._redis.close()

    def _write_soon(self, pid: str, waiting: _Waiting) -> None:
        self._waiting[pid] = waiting
        if len(self._waiting) > self._most:
            self._waiting.popitem(last=False)
            self.given_up += 1
        if not self._is_writing:
            self._is_writing = True
            eventlet.spawn_n(self._write)

    def _write(self) -> None:
        try:
            while self._waiting:
                if not self._write_some():
                    eventlet.sleep(AGAIN_SECONDS)
        finally:
            self._is_writing = False

    def _write_some(self) -> bool:
        some = list(islice(self._waiting.items(), KEPT_AT_ONCE))
        if not self._redis.ask(lambda: self._run(some), otherwise=False):
            return False
        for pid, written in some:
            # What has come meanwhile is still to be written.
            if self._waiting.get(pid) == written:
                del self._waiting[pid]
        return True

    def _run(self, some: Sequence[tuple[str, _Waiting]]) -> bool:
        with self._redis.client.pipeline(transaction=False) as pipeline:
            for pid, (session, takes) in some:
                if session is None:
                    pipeline.delete(PREFIX + pid)
                    continue
                pipeline.eval(
                    KEEP,
                    1,
                    PREFIX + pid,
                    session.host,
                    _to_json(session),
                    self._milliseconds,
                    int(takes),
                )
            pipeline.execute()
        return True


def _to_json(session: Session) -> bytes:
    claimant = session.claimant
    told: JsonObject = {
        "pid": session.pid,
        "sid": session.sid,
        "app": claimant.app_id,
        "name": claimant.name,
        "byRoomToken": claimant.by_room_token,
        "rooms": {room: str(joined) for room, joined in session.rooms.items()},
        "seen": session.seen,
        "host": session.host,
    }
    return orjson.dumps(told)


def _session_in(text: bytes | None) -> Session | None:
    if text is None:
        return None
    told = orjson.loads(text)
    claimant = Claimant(told["app"], told["name"], by_room_token=told["byRoomToken"])
    rooms = {room: Offset.parse(joined) or NOWHERE for room, joined in told["rooms"].items()}
    return Session(told["pid"], told["sid"], claimant, rooms, told["seen"], told["host"])
