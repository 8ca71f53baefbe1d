"""The bounds and the clocks of the line between hosts, with nothing but their own parts."""

from datetime import UTC, datetime

import pytest

from webapp.hosts.entry import (
    AliveEntry,
    Entry,
    EventEntry,
    GoneEntry,
    LiveEntry,
    MalformedEntry,
    TakenEntry,
    header_of,
    read_entry,
    read_replies,
    replies_text,
)
from webapp.hosts.fan_out import HostFanOut
from webapp.hosts.outbox import MAX_REPLIES, WINDOW_BYTES, WINDOW_EVENTS, Outbox
from webapp.hosts.own_event import OwnEvent
from webapp.hosts.peers import Peers
from webapp.hosts.self_test import SelfTest
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.history import History
from webapp.realtime.offsets import BEGINNING, Offset
from webapp.realtime.rooms import RoomManager

AT = datetime(2026, 11, 22, 12, 0, 0, 5, UTC)


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return what it was set to."""
        return self.now


def event(number: int, packet: str = '2["x",{}]') -> EventEntry:
    return EventEntry(
        host="here",
        number=number,
        event_id=f"id{number}",
        app_id="app",
        name="x",
        at=AT,
        rooms=("a", "b"),
        excluded=frozenset({"sid"}),
        packet=packet,
    )


def put(outbox: Outbox, packet: str = '2["x",{}]') -> OwnEvent:
    own = OwnEvent(event(outbox.next_number(), packet))
    outbox.put(own)
    return own


@pytest.mark.parametrize(
    "entry",
    [
        event(7),
        LiveEntry(host="h", app_id="app", rooms=("a",), packet='2["x",{}]'),
        AliveEntry(host="h", beat=3, watched=frozenset({("app", "herald:hits")})),
        AliveEntry(host="h", beat=3, watched=None),
        GoneEntry(host="h"),
        TakenEntry(host="h", sid="s"),
    ],
)
def test_what_is_written_is_read(entry: Entry) -> None:
    """Every kind of entry goes through the stream as it is."""
    packet = entry.packet.encode() if isinstance(entry, EventEntry | LiveEntry) else b""
    assert read_entry(header_of(entry), packet) == entry


@pytest.mark.parametrize(
    ("header", "packet"),
    [
        (b"", b""),
        (b"[]", b""),
        (b'"event"', b""),
        (b'{"k":"other"}', b""),
        (b'{"k":["event"]}', b""),
        (b'{"k":"gone"}', b""),
        (b'{"k":"gone","host":1}', b""),
        (b'{"k":"live","host":"h","app":"a","rooms":"all"}', b'2["x"]'),
        (header_of(event(1)), b"1"),
        (header_of(event(1)), b"\xff"),
        (header_of(event(1)).replace(b"2026", b"99x9"), b'2["x"]'),
    ],
)
def test_what_no_host_has_written_is_refused(header: bytes, packet: bytes) -> None:
    """It is told apart, and gets no further: least of all a packet that disconnects clients."""
    with pytest.raises(MalformedEntry):
        read_entry(header, packet)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"host":"h"}', b'{"host":"h","answers":[[1]]}'])
def test_an_answer_that_no_host_has_written_is_refused(text: bytes) -> None:
    """As entries are."""
    assert read_replies(replies_text("h", {1: 2, 3: 4})) == ("h", {1: 2, 3: 4})
    with pytest.raises(MalformedEntry):
        read_replies(text)


def test_the_oldest_event_that_waits_is_given_up_first() -> None:
    """Beyond its bound the others never get it, and that is counted and told."""
    outbox, told = Outbox("here", max_events=3), list[int]()
    outbox.on_given_up = told.append
    for _ in range(5):
        put(outbox)
    assert outbox.waiting == 3
    assert outbox.counters.given_up == 2
    assert told == [1, 2]
    assert [own.number for own in outbox.next_batch().events] == [3, 4, 5]


def test_what_redis_has_makes_room_before_what_it_has_not() -> None:
    """An event that only waits for answers is let go first, and is no loss."""
    outbox = Outbox("here", max_events=3)
    put(outbox)
    put(outbox)
    outbox.taken(2)
    put(outbox)
    put(outbox)
    assert (outbox.waiting, outbox.counters.given_up) == (2, 0)


def test_the_bytes_that_wait_are_bounded_too() -> None:
    """One event that is larger than all of it is still taken."""
    outbox = Outbox("here", max_bytes=10_000)
    for _ in range(3):
        put(outbox, '2["x",{"a":"' + "a" * 20_000 + '"}]')
        assert outbox.waiting == 1
    assert outbox.counters.given_up == 2


def test_what_redis_has_lost_is_appended_again_in_order() -> None:
    """With the same numbers, before what has never been appended."""
    outbox = Outbox("here")
    for _ in range(4):
        put(outbox)
    outbox.taken(3)
    assert [own.number for own in outbox.next_batch().events] == [4]
    outbox.lost(1)
    assert [own.number for own in outbox.next_batch().events] == [2, 3, 4]
    assert outbox.counters.again == 2


def test_what_all_have_answered_is_appended_again_too() -> None:
    """A host that joins after the loss would miss it; it makes room for whatever comes."""
    outbox = Outbox("here", max_events=4)
    for own in [put(outbox) for _ in range(3)]:
        own.sids, own.asked = (), frozenset()
    outbox.taken(3)
    outbox.lost(1)
    assert [own.number for own in outbox.next_batch().events] == [2, 3]
    outbox.taken(3)
    for _ in range(4):
        put(outbox)
    assert (outbox.waiting, outbox.counters.given_up) == (4, 0)
    outbox.lost(1)
    assert [own.number for own in outbox.next_batch().events] == [4, 5, 6, 7]


def test_a_batch_has_its_share() -> None:
    """What is appended at once is bounded; the next batch begins where it ended."""
    outbox = Outbox("here")
    for _ in range(450):
        put(outbox)
    batch = outbox.next_batch()
    assert (len(batch.events), batch.is_last) == (200, False)
    outbox.taken(batch.events[-1].number)
    assert outbox.next_batch().events[0].number == 201


def test_events_go_no_faster_than_the_others_answer() -> None:
    """Who reads more slowly than this host appends would find the oldest taken out."""
    outbox = Outbox("here")
    events = [put(outbox) for _ in range(WINDOW_EVENTS + 5)]
    while batch := outbox.next_batch().events:
        outbox.taken(batch[-1].number)
    assert outbox.waiting == 5
    assert not outbox.wake.is_set()
    for own in events[:3]:
        own.sids, own.asked = (), frozenset()
    outbox.settle()
    assert outbox.wake.is_set()
    assert len(outbox.next_batch().events) == 3


def test_large_events_go_no_faster_either() -> None:
    """A few of them would take as much out of the stream as many small ones."""
    outbox = Outbox("here")
    for _ in range(20):
        put(outbox, '2["x",{"a":"' + "a" * 1_000_000 + '"}]')
    while batch := outbox.next_batch().events:
        outbox.taken(batch[-1].number)
    assert 20 - outbox.waiting == WINDOW_BYTES // 1_000_000 + 1


def test_a_batch_that_is_not_answered_is_halved() -> None:
    """Until the line has it in time; then it grows again."""
    outbox = Outbox("here")
    for own in [put(outbox) for _ in range(2 * WINDOW_EVENTS)]:
        own.sids, own.asked = (), frozenset()
    sizes = list[int]()
    for _ in range(8):
        batch = outbox.next_batch()
        sizes.append(len(batch.events))
        outbox.failed(batch)
        assert not outbox.is_sure
        outbox.known(0)
    assert sizes[0] == 200
    assert 1 < sizes[-1] < 20
    assert sizes == sorted(sizes, reverse=True)
    for _ in range(8):
        batch = outbox.next_batch()
        outbox.taken(batch.events[-1].number)
    assert len(outbox.next_batch().events) == 200


def test_answers_that_could_not_be_appended_are_kept_within_their_bound() -> None:
    """Heartbeats are not: they would be wrong later on."""
    outbox = Outbox("here")
    outbox.reply("there", 1, 5)
    outbox.say(GoneEntry(host="here"))
    outbox.say(TakenEntry(host="here", sid="s"))
    outbox.failed(outbox.next_batch())
    batch = outbox.next_batch()
    assert batch.replies == {"there": {1: 5}}
    assert [note.lasts for note in batch.notes] == [True]
    for number in range(MAX_REPLIES + 1):
        outbox.reply("there", number, 1)
    assert outbox.counters.left_out == MAX_REPLIES


def test_who_joins_behind_a_hole_says_so() -> None:
    """Whoever comes back from before it is told that something is missing."""
    history, outbox, peers = History("later", "epoch", 60.0), Outbox("later"), Peers("later")
    fan_out = HostFanOut("later", RoomManager(Broadcasts()), history, outbox, peers)
    fan_out.begin("epoch", BEGINNING)
    for number in (1, 2, 5, 6):
        fan_out.load((number, 0), event(number))
    assert history.after("app", Offset("epoch", (2, 0))) is None
    kept = history.after("app", Offset("epoch", (5, 0)))
    assert kept is not None
    assert [each.event_id for each in kept] == ["id6"]


def test_what_is_read_again_is_given_to_nobody() -> None:
    """What stands before all that this host has read at its start was there before its sockets."""
    history, outbox, peers = History("later", "epoch", 60.0), Outbox("later"), Peers("later")
    fan_out = HostFanOut("later", RoomManager(Broadcasts()), history, outbox, peers)
    fan_out.begin("epoch", (5, 0))
    assert fan_out.take((4, 0), event(4)) is None
    assert not history.has("id4")


def test_a_host_is_waited_for_as_long_as_it_is_heard_of() -> None:
    """5 s without a word and nobody waits for it; 10 s and it is dead."""
    clock = Clock()
    peers = Peers("here", clock)
    peers.alive("here", frozenset())
    peers.alive("there", frozenset({("app", "herald:hits")}))
    assert peers.names == peers.prompt() == {"there"}
    assert peers.watches("app", "herald:hits")
    assert not peers.watches("app", "herald:events")
    assert not peers.watches("other", "herald:hits")
    clock.now += 6
    assert peers.names == {"there"}
    assert not peers.prompt()
    assert peers.bury() == []
    peers.answered("there")
    assert peers.prompt() == {"there"}
    clock.now += 10
    assert peers.bury() == ["there"]
    assert (len(peers), peers.died) == (0, 1)


def test_who_answers_late_is_not_waited_for_the_next_time() -> None:
    """For a second, if all it says meanwhile is late: a post in many may wait for it."""
    clock = Clock()
    peers = Peers("here", clock)
    peers.alive("there", frozenset())
    peers.late(frozenset({"there", "gone"}))
    peers.alive("there", frozenset())
    peers.sent(7, clock.now)
    clock.now += 0.5
    peers.sent(8, clock.now)
    peers.replied("there", 7)
    peers.replied("there", 8)
    assert peers.names == {"there"}
    assert not peers.prompt()
    clock.now += 0.5
    assert peers.prompt() == {"there"}


def test_who_answers_promptly_again_is_waited_for_at_once() -> None:
    """As the age of its answer tells; an answer to what it was sent before tells nothing."""
    clock = Clock()
    peers = Peers("here", clock)
    peers.alive("there", frozenset())
    peers.late(frozenset({"there"}))
    peers.sent(7, clock.now)
    clock.now += 0.05
    peers.replied("there", 6)
    peers.replied("gone", 7)
    assert not peers.prompt()
    peers.replied("there", 7)
    assert peers.prompt() == {"there"}


def test_an_old_heartbeat_wakes_no_dead_host() -> None:
    """What is read again, or for the first time, may be of long ago."""
    clock = Clock()
    peers = Peers("here", clock)
    peers.alive("dead", frozenset(), age=11.0)
    peers.alive("late", None, age=6.0)
    assert peers.names == {"late"}
    assert not peers.prompt()
    assert peers.watches("any", "herald:events")


def test_who_has_ended_is_not_heard_of_again() -> None:
    """Not even where a heartbeat of it stands behind its last word."""
    peers = Peers("here", Clock())
    peers.alive("there", frozenset())
    peers.gone("there")
    peers.alive("there", frozenset())
    assert not peers.names


def test_who_was_deaf_takes_nobody_for_dead() -> None:
    """They may have spoken all the time."""
    clock = Clock()
    peers = Peers("here", clock)
    peers.alive("there", frozenset())
    clock.now += 30
    peers.heard_nobody()
    assert peers.bury() == []


def test_a_heartbeat_that_does_not_come_back_makes_deaf() -> None:
    """5 s after it was appended; the next one that comes back ends it."""
    clock = Clock()
    test = SelfTest(clock)
    test.appended(clock.now)
    test.heard(anything=False)
    deaf = []
    for _ in range(2):
        clock.now += 3
        deaf.append(test.is_deaf)
    assert deaf == [False, True]
    test.heard(anything=True)
    assert (test.is_deaf, test.is_behind) == (False, True), "others' entries stand before it"
    tries = [test.is_to_reconnect()]
    test.heard(anything=False)
    tries += [test.is_to_reconnect() for _ in range(2)]
    assert tries == [False, True, False], "not where something comes late, and not again at once"
    test.appended(clock.now)
    assert test.came_back(2) == 0.0
    assert not test.is_deaf
    assert test.came_back(1) is None
