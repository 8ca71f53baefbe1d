"""A stream that has lost its end and gets it again: whoever comes back has each event once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.realtime.history import History
from webapp.realtime.kept import Kept
from webapp.realtime.offsets import BEGINNING, Offset

AT = datetime(2026, 1, 1, tzinfo=UTC)
Published = tuple[str, int]
"""Who published an event, and its number there."""


def kept(place: int, published: Published) -> Kept:
    """Return an event that stands at ``place``."""
    origin, number = published
    name = f"{origin} {number}"
    return Kept(
        (place, 0) if place else BEGINNING,
        name,
        "ours",
        "n",
        AT,
        (),
        frozenset(),
        "2",
        origin,
        number,
    )


class Host:
    """A host that reads the stream as hosts do, and what a socket of it has been given."""

    def __init__(self, name: str) -> None:
        self.history = History(name, "e", 100.0, clock=lambda: 0.0)
        self.given: list[Published] = []
        self.offsets = [(self.history.head, 0)]
        """Each with how many events its client had got by then."""

    def read(self, place: int, published: Published) -> None:
        """Read an entry; it is given to the socket, unless that has it."""
        self.history.add(kept(place, published))
        self._give(published)

    def give_early(self, number: int) -> None:
        """Give an own event that the stream has not yet."""
        published = self.history.host, number
        self.history.add_early(kept(0, published))
        self._give(published)

    def _give(self, published: Published) -> None:
        origin, number = published
        if number > max((last for who, last in self.given if who == origin), default=0):
            self.given.append(published)
        self.offsets.append((self.history.head, len(self.given)))

    def catch_up(self, offset: str) -> list[Published] | None:
        """Return what who comes back with this offset is given at once."""
        seen = Offset.parse(offset)
        assert seen is not None
        missed = self.history.after("ours", seen)
        if missed is None:
            return None
        return [(each.origin, each.early) for each in missed]


def read_all(hosts: Iterable[Host], events: Iterable[tuple[int, Published]]) -> None:
    """Have all of them read these entries, one after the other."""
    for place, published in events:
        for host in hosts:
            host.read(place, published)


def numbered(origins: Iterable[str], before: Sequence[Published] = ()) -> list[Published]:
    """Return one event of each, with the numbers that come next."""
    found = [*before]
    for origin in origins:
        found.append((origin, 1 + sum(origin == each for each, _ in found)))
    return found[len(before) :]


def in_turn(draw: st.DrawFn, events: Sequence[Published]) -> list[Published]:
    """Return ``events`` in some order in which each host's have theirs."""
    order = draw(st.permutations([origin for origin, _ in events]))
    queues = {origin: [each for each in events if each[0] == origin] for origin in order}
    return [queues[origin].pop(0) for origin in order]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_each_event_once_or_told(data: st.DataObject) -> None:
    """Wherever a client was and goes to, and whenever: nothing lost, nothing doubled."""
    origins = st.sampled_from(["one", "two", "three"])
    old = numbered(data.draw(st.lists(origins, max_size=8), label="old"))
    end = data.draw(st.integers(0, len(old)), label="left")
    new = numbered(data.draw(st.lists(origins, max_size=6), label="new"), old)
    one, two, late = Host("one"), Host("two"), Host("late")
    reach = data.draw(st.integers(0, len(old)), label="two has read")
    entries = list(enumerate(old, 1))
    read_all([one], entries)
    read_all([two], entries[:reach])
    early = [number for origin, number in new if origin == "one"]
    for number in early[: data.draw(st.integers(0, len(early)), label="early")]:
        one.give_early(number)
    stream = data.draw(st.composite(in_turn)([*old[end:], *new]), label="again")
    # The other Redis may have a clock that is behind: its positions may be those of before.
    first = 1 + data.draw(st.sampled_from([end, len(old)]), label="behind")
    steps = data.draw(st.integers(0, len(stream)), label="steps")
    for host in (one, two):
        host.history.cut((end, 0))
    read_all([two], entries[reach:end])
    read_all([late], entries[:end])
    for host in (one, two, late):
        host.history.turn("f", (end, 0))
        host.offsets.append((host.history.head, len(host.given)))
    again_entries = list(enumerate(stream, first))
    read_all([one, two, late], again_entries[:steps])
    left = [host.given[:had] for host in (one, two, late) for _, had in host.offsets]
    offsets = [offset for host in (one, two, late) for offset, _ in host.offsets]
    come = [
        (seen, to, to.catch_up(offset), len(to.given))
        for seen, offset in zip(left, offsets, strict=True)
        for to in (one, two, late)
    ]
    read_all([one, two, late], again_entries[steps:])
    for seen, to, missed, had in come:
        if missed is not None:
            assert sorted([*seen, *missed, *to.given[had:]]) == sorted([*old, *new])
