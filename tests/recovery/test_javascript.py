"""The stock JavaScript client comes back for what it missed: each event, in order, once."""

import pytest

from logger_lib import JsonValue
from tests.recovery.conftest import EVENT, RECOVERY, App, got
from tests.services.fault_proxy import FaultProxy
from tests.services.node import NodeProcess

TRANSPORTS = [
    pytest.param(["websocket"], id="websocket"),
    pytest.param(["polling"], id="polling"),
    pytest.param(None, id="upgrade"),
]


@pytest.mark.parametrize("transports", TRANSPORTS)
def test_network_cut(
    app: App, node: NodeProcess, proxy: FaultProxy, transports: list[str] | None
) -> None:
    """After a cut a client has its sid and its rooms, and gets what it missed, then what comes."""
    socket = app.open(node, transports, through=proxy)
    sid = socket.connected()
    if transports is None:
        socket.wait_for("upgrade")
    socket.join("ours")
    app.publish(0, room="ours")
    got(socket, [0])
    proxy.cut()
    socket.wait_for("disconnect")
    for number in range(1, 6):
        if number % 2:
            app.publish(number, room="ours")
        else:
            app.publish(number)
    app.publish(99, room="theirs")
    excepted: dict[str, JsonValue] = {"except": [sid]}
    app.publish(99, room="ours", **excepted)
    proxy.heal()
    assert socket.came_back()
    assert socket.connected(2) == sid
    got(socket, list(range(6)))
    assert app.recipients(6, room="ours") == 1
    got(socket, list(range(7)))


@pytest.mark.parametrize("transports", TRANSPORTS[:2])
def test_before_any_event(app: App, node: NodeProcess, transports: list[str] | None) -> None:
    """A client that has had no event yet recovers too (socketio/socket.io#5538, #4888)."""
    socket = app.open(node, transports)
    sid = socket.connected()
    socket.join("ours")
    socket.drop()
    assert socket.came_back()
    assert socket.connected(2) == sid
    assert app.recipients(1, room="ours") == 1
    got(socket, [1])


def test_again_and_again(app: App, node: NodeProcess) -> None:
    """It works each time, and not only the first (socketio/socket.io#4880)."""
    socket = app.open(node, ["websocket"])
    sid = socket.connected()
    socket.join("ours")
    for time in range(2, 8):
        socket.drop()
        assert socket.came_back(time), time
        assert socket.connected(time) == sid
        assert app.recipients(time, room="ours") == 1
        got(socket, list(range(2, time + 1)))


def test_no_event_twice(app: App, node: NodeProcess, proxy: FaultProxy) -> None:
    """What was given at one recovery is not given at the next (socketio/socket.io#5419)."""
    socket = app.open(node, ["websocket"], through=proxy)
    socket.connected()
    proxy.cut()
    socket.wait_for("disconnect")
    app.publish(1)
    app.publish(2)
    proxy.heal()
    assert socket.came_back()
    got(socket, [1, 2])
    for time in range(3, 6):
        socket.drop()
        assert socket.came_back(time), time
    app.publish(3)
    got(socket, [1, 2, 3])


def test_hears_what_comes_after(app: App, node: NodeProcess) -> None:
    """Once it is back, a client hears on, and may join and leave (socketio/socket.io#4733)."""
    socket = app.open(node, ["websocket"])
    socket.connected()
    socket.join("ours", "left")
    socket.drop()
    assert socket.came_back()
    assert socket.call("leave", {"room": "left"}) == {"ok": True, "room": "left"}
    socket.join("new")
    assert [app.recipients(n, room=room) for n, room in enumerate(("ours", "left", "new"))] == [
        1,
        0,
        1,
    ]
    got(socket, [0, 2])


def test_half_open(app: App, node: NodeProcess, proxy: FaultProxy) -> None:
    """A connection that is not known to be dead yet is taken over, and its end ends nothing."""
    socket = app.open(node, ["websocket"], through=proxy)
    sid = socket.connected()
    socket.join("ours")
    proxy.half_open()
    # To the server all is well: it counts the socket, whose events are swallowed.
    assert [app.recipients(n, room="ours") for n in (1, 2)] == [1, 1]
    socket.drop()
    socket.wait_for("disconnect")
    assert app.recipients(3, room="ours") == 1
    proxy.heal()
    assert socket.came_back()
    assert socket.connected(2) == sid
    got(socket, [1, 2, 3])
    assert app.recipients(4, room="ours") == 1
    got(socket, [1, 2, 3, 4])
    assert len(socket.seen("disconnect")) == 1


def test_without_asking(app: App, node: NodeProcess) -> None:
    """A client that does not ask for it sees no extra argument, and begins anew."""
    socket = app.open(node, ["websocket"], recovery=False)
    asking = app.open(node, ["websocket"])
    sid = socket.connected()
    asking.connected()
    assert app.recipients(1) == 2
    got(socket, [1])
    got(asking, [1])
    assert socket.seen("event") == [[EVENT, {"n": 1}]]
    first, second = asking.seen("event")
    assert first[:2] == [RECOVERY, {"seconds": 120}]
    assert second[:2] == [EVENT, {"n": 1}]
    assert all(isinstance(args[2], str) and len(args) == 3 for args in (first, second))
    socket.drop()
    assert not socket.came_back()
    assert socket.connected(2) != sid


def test_left_on_purpose(app: App, node: NodeProcess) -> None:
    """A client that has said goodbye has no session any more: it begins anew."""
    socket = app.open(node, ["websocket"])
    sid = socket.connected()
    socket.disconnect()
    app.publish(1)
    socket.connect()
    assert not socket.came_back()
    assert socket.connected(2) != sid
    app.publish(2)
    got(socket, [2])
