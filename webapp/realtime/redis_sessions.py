"""Sessions in Redis, so that a client can come back to another host than it was on."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, cast

import eventlet
import orjson

from logger_lib import JsonObject
from webapp.prompt_redis import PromptRedis
from webapp.realtime.offsets import NOWHERE, Offset
from webapp.realtime.sessions import (
    MAX_SESSIONS,
    Claimant,
    MemorySessions,
    Session,
    SessionsOutOfReach,
)

PREFIX = "herald:session:"

KEPT_AT_ONCE = 200
"""How many sessions are written in one go."""

AGAIN_SECONDS = 0.25
"""When what could not be written is written again: soon, as other hosts do not know it before."""

FIND_SECONDS = 1.0
"""How long Redis is asked for a session that this host does not know: without it the client loses
what it missed, so it rather waits."""

ANSWER_SECONDS = 0.25
"""How long it may take for one answer to that; for one that this host knows it is asked once."""

ASK_AGAIN_SECONDS = 0.05

KEEP = """
local held = redis.call('HGET', KEYS[1], 'host')
if held and held ~= '' and held ~= ARGV[1] and held ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'host', ARGV[1], 'session', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
"""Of a session that another host has taken over, the first one has no more to say: not by what
comes to Redis late either, as who takes a session over says whose it was."""

LET_GO = """
if redis.call('HGET', KEYS[1], 'host') == ARGV[1] then redis.call('HSET', KEYS[1], 'host', '') end
return 1
"""
"""Whoever has a session by now may write it, where the one that had it was the last to do so."""

_NO_ANSWER: bytes | None = b""


@dataclass(frozen=True, slots=True)
class _Kept:
    session: Session
    held_by: str
    """The host that it is taken over from, if it is."""
    milliseconds: int
    """How long it is kept."""


@dataclass(frozen=True, slots=True)
class _LetGo:
    host: str


_FORGOTTEN = None

_Waiting: TypeAlias = _Kept | _LetGo | None


class RedisSessions:
    """Sessions that outlive this process: ``seconds`` each when its client has gone.

    Those of connected sockets are held for ``held_seconds`` each time that this is said: more, by
    how long ago that was when the host dies, and by how long a client may take to notice its death.
    What is kept is written behind the caller, the last state of each session once. Without an
    answer of Redis it waits, and those sessions are found whose sockets were here last.
    """

    outlives = True

    def __init__(
        self, url: str, seconds: float, *, held_seconds: float = 0.0, most: int = MAX_SESSIONS
    ) -> None:
        self._redis = PromptRedis(
            url,
            meanwhile="clients that come back to another host begin anew there",
            rest_seconds=AGAIN_SECONDS,
        )
        # A client of its own, which never rests: a slow write says nothing of whether Redis answers
        # this, nor does that it did not answer another.
        self._finding = PromptRedis(url, answer_seconds=ANSWER_SECONDS, rest_seconds=0.0)
        self._milliseconds = int(seconds * 1000)
        self._held_milliseconds = int(max(seconds, held_seconds) * 1000)
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

    @property
    def failures(self) -> int:
        """How often Redis was asked and did not answer."""
        return self._redis.failures + self._finding.failures

    @property
    def kept(self) -> int:
        """How many this host knows without Redis, of sockets that are or were here."""
        return self._own.kept

    def keep(self, session: Session) -> None:
        """Keep ``session``, whose client is away, for its time; not what another host has taken."""
        self._keep_soon(session, self._milliseconds)

    def hold(self, session: Session) -> None:
        """Keep ``session``, whose socket is connected, for as long as this host should live."""
        self._keep_soon(session, self._held_milliseconds)

    def take(self, session: Session, held_by: str) -> None:
        """Hold ``session``, which is its ``host``'s from now on, and was that of ``held_by``."""
        self._keep_soon(session, self._held_milliseconds, held_by)

    def _keep_soon(self, session: Session, milliseconds: int, held_by: str = "") -> None:
        self._own.keep(session)
        waiting = self._waiting.pop(session.pid, None)
        if isinstance(waiting, _Kept):
            # A session that is to be taken over is, in the state that it has by now.
            held_by = waiting.held_by or held_by
        self._write_soon(session.pid, _Kept(session, held_by, milliseconds))

    def release(self, sid: str) -> None:
        """Take note that another host has taken over the session of the socket ``sid``."""
        pid = self._own.pid_of(sid)
        left = None if pid is None else self._own.find(pid)
        self._own.release(sid)
        if left is not None:
            # What waits must not be written any more, and what is being written may be the last.
            self._waiting.pop(left.pid, None)
            self._write_soon(left.pid, _LetGo(left.host))

    def find(self, pid: str) -> Session | None:
        """Return the session ``pid``, as this host left it where Redis does not answer.

        Raises ``SessionsOutOfReach`` where it does not for ``FIND_SECONDS`` and this host has none.
        """
        if pid in self._waiting:
            waiting = self._waiting[pid]
            if not isinstance(waiting, _LetGo):
                return None if waiting is _FORGOTTEN else waiting.session
        until = time.monotonic() + FIND_SECONDS
        while (text := self._finding.ask(lambda: self._read(pid), _NO_ANSWER)) == _NO_ANSWER:
            own = self._own.find(pid)
            if own is not None:
                return own
            if time.monotonic() >= until:
                raise SessionsOutOfReach
            eventlet.sleep(ASK_AGAIN_SECONDS)
        return _session_in(text)

    def _read(self, pid: str) -> bytes | None:
        return cast("bytes | None", self._finding.client.hget(PREFIX + pid, "session"))

    def forget(self, pid: str) -> None:
        """Give a session up, in Redis as soon as it answers."""
        self._waiting.pop(pid, None)
        self._own.forget(pid)
        is_gone = self._redis.ask(lambda: self._delete(pid), otherwise=False)
        # What is being written just now may have it in Redis again.
        if not is_gone or self._is_writing:
            self._write_soon(pid, _FORGOTTEN)

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
        self._finding.close()

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
            if pid in self._waiting and self._waiting[pid] == written:
                del self._waiting[pid]
        return True

    def _run(self, some: Sequence[tuple[str, _Waiting]]) -> bool:
        with self._redis.client.pipeline(transaction=False) as pipeline:
            for pid, written in some:
                match written:
                    case _Kept(session, held_by, milliseconds):
                        about = (session.host, _to_json(session), milliseconds, held_by)
                        pipeline.eval(KEEP, 1, PREFIX + pid, *about)
                    case _LetGo(host):
                        pipeline.eval(LET_GO, 1, PREFIX + pid, host)
                    case None:
                        pipeline.delete(PREFIX + pid)
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
