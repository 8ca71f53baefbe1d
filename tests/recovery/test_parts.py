"""The parts of recovery that no client can drive alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from logger_lib import JsonValue
from tests.realtime.test_rooms import OURS, make_server
from webapp.events.event import Event
from webapp.events.fan_out import Patience
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.catch_up import CatchUp
from webapp.realtime.connection import Connection
from webapp.realtime.history import History
from webapp.realtime.keeping import KeepingFanOut
from webapp.realtime.kept import Kept
from webapp.realtime.offsets import BEGINNING, Offset, Position
from webapp.realtime.rooms import NAMESPACE
from webapp.realtime.seen import Seen
from webapp.realtime.server import RoomServer
from webapp.realtime.wanted_apps import MAX_QUIET, WantedApps

SECONDS = 100.0


class Clock:
    """A time that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_whose_events_are_wanted() -> None:
    """An app is wanted while a socket that recovers is here, and for its time after the last."""
    clock = Clock()
    wanted = WantedApps(SECONDS, clock)
    assert not wanted.is_wanted("ours")
    wanted.begin("ours")
    wanted.begin("ours")
    clock.now = SECONDS * 2
    wanted.end("ours")
    clock.now = SECONDS * 4
    assert wanted.is_wanted("ours")
    wanted.end("ours")
    clock.now += SECONDS - 1
    assert wanted.is_wanted("ours")
    clock.now += 1
    assert not wanted.is_wanted("ours")


def test_apps_that_were_wanted_once() -> None:
    """They take no memory for ever."""
    clock = Clock()
    wanted = WantedApps(SECONDS, clock)
    for number in range(MAX_QUIET + 10):
        clock.now += 1
        wanted.begin(str(number))
        wanted.end(str(number))
    assert len(vars(wanted)["_apps"]) <= SECONDS + 10


def test_nothing_is_kept_that_nobody_wants() -> None:
    """Events of an app of which nobody may come back take no memory."""
    history = History("here", "e", SECONDS)
    fan_out = KeepingFanOut(make_server(Broadcasts()).manager, history)
    fan_out.is_wanted = {"wanted"}.__contains__
    for app_id in ("wanted", "unwanted"):
        handed_out = fan_out.hand_out(Event(app_id, "n", {"a": 1}), app_id, datetime.now(UTC))
        assert handed_out.here(Patience()) == ()
    assert len(history) == 1
    assert history.has("wanted")


def test_what_a_pong_confirms() -> None:
    """What had been sent to a client before it was pinged, where that could be said."""
    head = "e.1-0"
    seen = Seen("e.0-0", lambda: head)
    seen.confirm()
    assert seen.offset == "e.0-0"
    seen.ask()
    head = ""
    seen.confirm()
    assert seen.offset == "e.1-0"
    seen.ask()
    seen.confirm()
    assert seen.offset == "e.1-0"


def test_who_cannot_be_let_in() -> None:
    """A failure while a socket is let in leaves nothing of it that takes a place."""
    server = make_server(Broadcasts())

    def admit(sid: str, auth: JsonValue) -> None:
        del auth
        server.manager.admit(sid, OURS)
        assert server.manager.socket_count == 1
        raise RuntimeError("letting in failed")

    assert isinstance(server, RoomServer)
    server.let_in_otherwise = admit
    server.eio.sockets["e1"] = Connection(server.eio, "e1")
    server.environ["e1"] = {}
    with pytest.raises(RuntimeError, match="letting in failed"):
        server._handle_eio_message("e1", "0")
    assert server.manager.socket_count == 0
    assert server.manager.sids() == []


class Counted:
    """Counts what was given."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def add(self, kept: Kept, sid: str) -> None:
        """Take note of an event."""
        del sid
        self.given.append(kept.event_id)


def kept(number: int, position: Position, room: str, origin: str) -> Kept:
    """Return an event that its origin may deliver early."""
    packet = json.dumps(["n", {"n": number}])
    name, now = f"{origin} {number}", datetime.now(UTC)
    return Kept(
        position, name, "ours", "n", now, (room,), frozenset(), "2" + packet, origin, number
    )


def test_catching_up_with_hosts() -> None:
    """Given is what others published since, and not what came early or before a join."""
    rooms = make_server(Broadcasts()).manager
    history, counted = History("here", "e", SECONDS), Counted()
    history.add(kept(1, (1, 0), "joined", "there"))
    history.add(kept(2, (2, 0), "late", "there"))
    history.add(kept(3, (4, 0), "joined", "there"))
    history.add(kept(4, (5, 0), "late", "there"))
    history.add(kept(7, (6, 0), "late", "other"))
    history.add_early(kept(1, BEGINNING, "late", "here"))
    history.add_early(kept(2, BEGINNING, "elsewhere", "here"))
    connection = Connection(rooms.server.eio, "e1")
    rooms.server.eio.sockets["e1"] = connection
    sid = rooms.pre_connect("e1", NAMESPACE)
    assert sid is not None
    rooms.admit(sid, OURS)
    member = rooms.member(sid)
    assert member is not None
    rooms.resume(
        member, "sid", "pid", {"joined": Offset("e", BEGINNING), "late": Offset("e", (3, 0))}
    )
    CatchUp(rooms, history, counted).run(member, Offset("e", (0, 0), (("there", 3),)))
    assert counted.given == ["there 4", "other 7", "here 1"]
    texts = [str(packet.data) for packet in connection.poll()]
    assert [json.loads(text[1:])[2] for text in texts] == [
        "e.5-0~there.3",
        "e.6-0~there.3",
        "e.6-0~there.3~here.1",
    ]
    assert rooms.is_connected("sid", NAMESPACE)
    assert rooms.recipients("ours", ["late"], ())[1].keys() == {"sid"}
