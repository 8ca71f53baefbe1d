"""What a host reads of the others, with nothing but Redis and its own parts."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from redis import Redis

from tests.services.herald import wait_until
from tests.services.redis_server import RedisServer
from webapp.hosts.entry import AliveEntry, Entry, TakenEntry, header_of
from webapp.hosts.fan_out import HostFanOut
from webapp.hosts.hearing import Hearers, Hearing
from webapp.hosts.host_stream import HostStream
from webapp.hosts.line import Line
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import Peers
from webapp.hosts.stream_scripts import EPOCH, EVENTS
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.history import History
from webapp.realtime.rooms import RoomManager

HOST = "here"


@dataclass(frozen=True, slots=True)
class Reader:
    """A host that only reads, and what it knows."""

    client: Redis
    line: Line
    peers: Peers
    taken: list[str]

    def says(self, entry: Entry, entry_id: str = "*") -> None:
        """Have another host say so."""
        epoch = self.client.get(EPOCH) or b""
        self.client.xadd(EVENTS, {"e": epoch, "h": header_of(entry), "p": ""}, id=entry_id)


@pytest.fixture
def reader() -> Iterator[Reader]:
    history, outbox, peers = History(HOST, "epoch", 60.0), Outbox(HOST), Peers(HOST)
    fan_out = HostFanOut(HOST, RoomManager(Broadcasts()), history, outbox, peers)
    line, taken = Line(outbox, fan_out), list[str]()
    with RedisServer() as redis, Redis.from_url(redis.url) as client:
        stream = HostStream(redis.url, HOST)
        hearers = Hearers(
            lambda *_: None,
            lambda _: None,
            _take_into(taken),
            lambda _: None,
            lambda *_: None,
            lambda _: None,
        )
        hearing = Hearing(stream, outbox, peers, fan_out, line, hearers=hearers, seconds=60.0)
        thread = threading.Thread(target=hearing.run)
        thread.start()
        try:
            wait_until(lambda: fan_out.has_joined, "the first reading")
            yield Reader(client, line, peers, taken)
        finally:
            line.ending.set()
            thread.join(10)
            stream.close()


def _take_into(taken: list[str]) -> Callable[[TakenEntry], None]:
    def take(entry: TakenEntry) -> None:
        if entry.sid == "bad":
            raise RuntimeError("cannot be taken")
        taken.append(entry.sid)

    return take


def test_a_heartbeat_of_before_a_silence_is_as_old_as_it_is(reader: Reader) -> None:
    """A host that came and died while this one was cut off is none that posts wait for."""
    seconds, _ = reader.client.time()
    reader.says(TakenEntry(host="there", sid="first"), f"{(seconds - 120) * 1000}-1")
    wait_until(lambda: reader.taken == ["first"], "what was said before")
    failures = reader.line.counters.failures
    reader.client.client_kill_filter(_type="normal", skipme=True)
    wait_until(lambda: reader.line.counters.failures > failures, "the silence")
    old = AliveEntry(host="dead", beat=1, watched=frozenset())
    reader.says(old, f"{(seconds - 60) * 1000}-1")
    reader.says(AliveEntry(host="alive", beat=1, watched=frozenset()))
    wait_until(lambda: "alive" in reader.peers.names, "the heartbeat")
    assert reader.peers.names == {"alive"}


def test_an_entry_that_fails_is_counted(reader: Reader) -> None:
    """And the next one is heard."""
    for sid in ("bad", "good"):
        reader.says(TakenEntry(host="there", sid=sid))
    wait_until(lambda: reader.taken == ["good"], "the next entry")
    assert reader.line.counters.undone == 1
