"""What is kept for clients that come back: never less than they missed without saying so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.realtime.history import History
from webapp.realtime.kept import OVERHEAD, Kept
from webapp.realtime.offsets import (
    BEGINNING,
    MAX_AHEAD,
    UNKNOWN_EPOCH,
    Offset,
    Position,
    with_offset,
)
from webapp.realtime.recovery import MAX_WORD

HERE, THERE = "here", "there"
SECONDS = 100.0
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A time that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def kept(
    number: int, app_id: str = "ours", *, origin: str = HERE, early: int = 0, size: int = 0
) -> Kept:
    """Return the event that stands at ``number``; no two of an origin have the same."""
    packet = f'2["n",{{"n":{number}}}]'.ljust(size)
    return Kept(
        (number, 0), f"{origin} {number}", app_id, "n", AT, (), frozenset(), packet, origin, early
    )


def offset(text: str) -> Offset:
    """Return what ``text`` says."""
    found = Offset.parse(text)
    assert found is not None, text
    return found


def missed(history: History, text: str, app_id: str = "ours") -> list[str] | None:
    """Return the ids of what who has this offset has missed."""
    events = history.after(app_id, offset(text))
    return None if events is None else [event.event_id for event in events]


def make_history(
    *, max_events: int = 20, max_bytes: int = 1 << 20, start: Position = BEGINNING
) -> tuple[History, Clock]:
    """Return an empty one with its clock."""
    clock = Clock()
    history = History(
        HERE,
        "e",
        SECONDS,
        start=start,
        max_events=max_events,
        max_bytes=max_bytes,
        clock=clock,
    )
    return history, clock


@pytest.mark.parametrize(
    "text",
    ["e.0-0", "0aF_-.18446744073709551615-7", "e.1-2~h.3", "e.1-0~a-b_c.12", "e.1-2~h.3~g.4"],
)
def test_offsets_are_read_back(text: str) -> None:
    """What was written is read as it was meant."""
    assert str(offset(text)) == text


FOREIGN = [
    *("", "e", "e.1", "e.1-", "e.-1-0", "e.1-2~h", "e.1-2~h.", "e.1-2~h.3~", "e.1e1-2"),
    *("é.1-2", "e.١-2", "e.1-2 ", "e.1-2\n", "e.1-" + "9" * 21, "a" * 65 + ".1-2"),
]


@pytest.mark.parametrize("text", FOREIGN)
def test_offsets_of_others(text: str) -> None:
    """What nobody here has written is no offset."""
    assert Offset.parse(text) is None


def test_offset_in_a_packet() -> None:
    """The offset is the last argument of the event."""
    assert with_offset('2["n",{"a":[1]}]', "e.1-0") == '2["n",{"a":[1]},"e.1-0"]'


def test_missed_events_in_order() -> None:
    """Who comes back gets all of its app behind its offset, and nothing of another's."""
    history, _ = make_history()
    begin = history.head
    offsets = [history.add(kept(n, "ours" if n % 2 else "theirs")) for n in range(1, 7)]
    assert missed(history, begin) == ["here 1", "here 3", "here 5"]
    assert missed(history, offsets[2]) == ["here 5"]
    assert missed(history, offsets[2], "theirs") == ["here 4", "here 6"]
    assert missed(history, history.head) == []
    assert missed(history, begin, "nobody's") == []


def test_an_event_again() -> None:
    """An event that is kept already is left out."""
    history, _ = make_history()
    begin = history.head
    history.add(kept(1))
    again = replace(kept(2), event_id=kept(1).event_id)
    assert history.add(again) == history.head
    assert history.has(again.event_id)
    assert missed(history, begin) == ["here 1"]


@pytest.mark.parametrize("text", ["other.1-0", "e.2-0", "e.0-0~there.1", "e.0-0~here.1"])
def test_what_cannot_be_said(text: str) -> None:
    """An unknown epoch, or an offset that this host has not come to: nothing, rather than some."""
    history, _ = make_history()
    history.add(kept(1))
    assert missed(history, text) is None
    assert history.is_ahead(offset(text))


def test_too_old() -> None:
    """Beyond its time an event is given up, and with it whoever has not seen it."""
    history, clock = make_history()
    begin = history.head
    first = history.add(kept(1))
    clock.now = SECONDS / 2
    history.add(kept(2))
    clock.now = SECONDS
    assert missed(history, begin) is None
    assert missed(history, begin, "theirs") == []
    assert missed(history, first) == ["here 2"]
    assert not history.has("here 1")
    clock.now = SECONDS * 2
    assert missed(history, first) is None
    assert missed(history, history.head) == []
    assert (len(history), history.size, history.given_up) == (0, 0, 0)


def test_a_noisy_app() -> None:
    """An app that publishes without end pushes out its own events, and no other's."""
    history, _ = make_history(max_events=20)
    begin = history.head
    history.add(kept(1, "quiet"))
    for number in range(2, 1000):
        history.add(kept(number, "noisy"))
    assert missed(history, begin, "quiet") == ["here 1"]
    assert missed(history, begin, "noisy") is None
    assert missed(history, "e.990-0", "noisy") == [f"here {n}" for n in range(991, 1000)]
    assert len(history) == 11
    assert history.given_up == 988


def test_bytes_are_bounded() -> None:
    """A few heavy events count like many light ones."""
    weight = 10_000 - OVERHEAD
    history, _ = make_history(max_bytes=60_000)
    for number in range(1, 100):
        history.add(kept(number, f"app {number % 2}", size=weight))
        assert history.size <= 60_000
    assert missed(history, "e.95-0", "app 1") == ["here 97", "here 99"]
    assert missed(history, "e.90-0", "app 1") is None


def test_begins_in_the_middle() -> None:
    """A host that joins knows nothing of what was before."""
    history, _ = make_history(start=(7, 0))
    history.add(kept(8))
    assert missed(history, "e.6-0") is None
    assert missed(history, "e.7-0") == ["here 8"]


def test_a_new_epoch() -> None:
    """Where the stream begins anew, whoever was away is told so."""
    history, _ = make_history()
    before = history.add(kept(1))
    history.restart("f")
    assert missed(history, before) is None
    history.add(kept(1, origin=THERE))
    assert missed(history, "f.0-0") == ["there 1"]


def test_delivered_early() -> None:
    """What sockets got before the stream had it they get neither again nor too late."""
    history, _ = make_history()
    begin = history.add(kept(1))
    first = history.add_early(kept(0, early=1))
    second = history.add_early(replace(kept(0, early=2), event_id="here second"))
    assert (first, second) == ("e.1-0~here.1", "e.1-0~here.2")
    assert missed(history, begin) == ["here 0", "here second"]
    assert missed(history, first) == ["here second"]
    other = history.add(kept(2, origin=THERE))
    assert other == "e.2-0~here.2"
    assert missed(history, first) == ["there 2", "here second"]
    assert missed(history, second) == ["there 2"]
    assert history.add(replace(kept(3, early=1), event_id="here 0")) == "e.3-0~here.2"
    assert history.add(replace(kept(4, early=2), event_id="here second")) == "e.4-0"
    assert missed(history, begin) == ["there 2", "here 0", "here second"]
    assert missed(history, first) == ["there 2", "here second"]
    assert missed(history, other) == []
    assert len(history) == 4


def test_delivered_early_elsewhere() -> None:
    """Who has got events early on another host waits until they have come here in their place."""
    history, _ = make_history()
    seen = "e.0-0~there.2"
    assert history.is_ahead(offset(seen))
    history.add(kept(1, origin=THERE, early=1))
    assert missed(history, seen) is None
    history.add(kept(2))
    history.add(kept(3, "theirs", origin=THERE, early=2))
    history.add(kept(4, origin=THERE, early=3))
    assert not history.is_ahead(offset(seen))
    assert missed(history, seen) == ["here 2", "there 4"]


def test_events_of_many_hosts_that_the_stream_has_lost() -> None:
    """An offset tells of them all, and a client can send as much back."""
    history, _ = make_history(max_events=2 * MAX_AHEAD + 2)
    for number in range(MAX_AHEAD + 1):
        history.add(kept(number + 1, origin=f"host{number:04}", early=1_000_000))
    history.cut((1, 0))
    assert len(history.head) < MAX_WORD
    assert missed(history, history.head) == []
    history.add(kept(MAX_AHEAD + 2, origin="another", early=1))
    history.cut((1, 0))
    assert offset(history.head).epoch == UNKNOWN_EPOCH


def test_early_ones_given_up() -> None:
    """Who has not seen an early event that is lost is told so; who has seen it goes on."""
    history, clock = make_history()
    begin = history.head
    first = history.add_early(kept(1, early=1))
    second = history.add_early(kept(2, early=2))
    history.give_up_early(1)
    assert missed(history, begin) is None
    assert missed(history, first) == ["here 2"]
    assert missed(history, second) == []
    clock.now = SECONDS
    assert missed(history, second) == []
    assert (len(history), history.size) == (0, 0)


@pytest.mark.parametrize("most", [1, 3, 100])
def test_step_by_step(most: int) -> None:
    """Who has had some early comes by steps to where all have come: never more at once."""
    history, _ = make_history(max_events=1000)
    ids = [f"early {number}" for number in range(31)]
    for number in range(1, 31):
        history.add_early(replace(kept(0, early=number), event_id=ids[number]))
    for number in range(1, 21):
        history.add(kept(2 * number - 1, origin=THERE))
        history.add(replace(kept(2 * number, early=number), event_id=ids[number]))
    at, given = offset("e.0-0~here.10"), list[Kept]()
    while step := history.after("ours", at, most):
        assert len(step) <= most
        for event in step:
            at = history.offset_after(event, at)
        given += step
    in_place = [event for event in given if event.position != (0, 0)]
    assert [event.position[0] for event in in_place] == [*range(1, 20, 2), *range(21, 41)]
    assert [event.event_id for event in given[len(in_place) :]] == ids[21:]
    assert str(at) == history.head


EVENTS = st.lists(
    st.tuples(st.sampled_from(["ours", "theirs"]), st.floats(0, 40), st.integers(0, 3_000)),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.integers(4, 30), st.integers(4_000, 40_000), st.data())
def test_like_a_list(
    events: list[tuple[str, float, int]], max_events: int, max_bytes: int, data: st.DataObject
) -> None:
    """Whatever was given up: what is said to be missed is all that a list of all events has."""
    history, clock = make_history(max_events=max_events, max_bytes=max_bytes)
    offsets, everything = [history.head], list[Kept]()
    for number, (app_id, seconds, size) in enumerate(events, 1):
        clock.now += seconds
        everything.append(kept(number, app_id, size=size))
        offsets.append(history.add(everything[-1]))
        assert len(history) <= max_events
        assert history.size <= max_bytes
    seen = data.draw(st.integers(0, len(events)))
    for app_id in ("ours", "theirs"):
        expected = [event.event_id for event in everything[seen:] if event.app_id == app_id]
        assert missed(history, offsets[seen], app_id) in (expected, None)
    assert missed(history, history.head) == []
