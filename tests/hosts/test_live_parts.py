"""What is shown live on its way to other hosts: how much waits, and what is told of the rest."""

import json

from logger_lib import JsonObject, JsonValue
from webapp.hosts.live import MOST_BYTES_WAITING, MOST_WAITING, LiveSockets
from webapp.hosts.outbox import Outbox
from webapp.hosts.peers import Peers
from webapp.live_room import LiveRoom
from webapp.names import EVENTS_ROOM, HITS_ROOM
from webapp.realtime.broadcast import Broadcasts
from webapp.realtime.history import History
from webapp.realtime.rooms import RoomManager
from webapp.realtime.server import GatewayServer, PacketJson


class Line:
    """A host's end of the line, on which another host watches the events of an app."""

    def __init__(self) -> None:
        rooms = RoomManager(Broadcasts())
        self._server = GatewayServer(client_manager=rooms, json=PacketJson("packet_json"))
        self.outbox, self.peers = Outbox("here"), Peers("here")
        self.peers.alive("there", frozenset({("app", EVENTS_ROOM)}))
        history = History("here", "epoch", 60.0)
        self.live = LiveSockets("here", rooms, history, self.outbox, self.peers)

    def said(self) -> list[JsonObject]:
        """Return the data of what goes to the other hosts now."""
        packets = [note.item.packet for note in self.outbox.next_batch().notes]
        return [json.loads(packet[1:])[1] for packet in packets]


def show(room: LiveRoom, *numbers: int, app_id: str = "app") -> None:
    """Show these numbers."""
    room.show(app_id, numbers, lambda number: {"n": number})


def test_what_has_no_room_is_told_of_by_the_next_one() -> None:
    """As much as may wait goes to other hosts; the rest is counted in what they see next."""
    line = Line()
    room = LiveRoom(line.live, EVENTS_ROOM, "herald:event", 2 * MOST_WAITING)
    show(room, *range(MOST_WAITING + 5))
    shown: list[JsonValue] = [*line.said()]
    assert shown == [{"n": number, "leftOut": 0} for number in range(MOST_WAITING)]
    show(room, *range(MOST_WAITING))
    assert line.said()[0] == {"n": 0, "leftOut": 5}


def test_what_waits_is_bounded_in_bytes_too() -> None:
    """Large ones leave no room sooner."""
    line = Line()
    room = LiveRoom(line.live, EVENTS_ROOM, "herald:event", 1000)
    text = "x" * (MOST_BYTES_WAITING // 10)
    room.show("app", range(20), lambda number: {"n": number, "text": text})
    assert [data["n"] for data in line.said()] == list(range(10))


def test_nothing_is_said_where_nobody_watches() -> None:
    """Neither another app's events nor this one's hits, as their room is another one."""
    line = Line()
    assert not line.live.is_anybody_in("app", HITS_ROOM)
    assert not line.live.is_anybody_in("other", EVENTS_ROOM)
    show(LiveRoom(line.live, HITS_ROOM, "herald:hit", 10), 1)
    show(LiveRoom(line.live, EVENTS_ROOM, "herald:event", 10), 1, app_id="other")
    assert line.said() == []
    line.peers.alive("there", frozenset())
    show(LiveRoom(line.live, EVENTS_ROOM, "herald:event", 10), 1)
    assert line.said() == []
