"""``GET /sockets`` and ``DELETE /sockets/{sid}``, asked of one process."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import requests

from logger_lib import JsonObject
from tests.presence.conftest import ask, sockets_in, told
from tests.services.herald import HeraldServer, wait_until
from tests.services.node import NodeProcess
from tests.services.socket_client import SocketClient
from tests.web.conftest import App, error_in, new_app, object_in, refusal, refused_fields
from webapp.access.scopes import Scope
from webapp.names import EVENTS_ROOM


@pytest.fixture
def app(herald: HeraldServer) -> App:
    """An app of the test's own."""
    return new_app(herald)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with NodeProcess() as process:
        yield process


def end(app: App, sid: str, key: str | None = None) -> requests.Response:
    """Ask to have a socket ended."""
    return requests.delete(
        f"{app.server.url}/sockets/{quote(sid, safe='')}",
        headers={"Authorization": f"Bearer {key or app.key}"},
        timeout=20,
    )


def test_all_sockets_with_their_rooms(app: App) -> None:
    """Those in no room too; Herald's own rooms are not named, nor another app's sockets."""
    token = object_in(app.post("/tokens", {"rooms": ["o*"], "subject": "ada"}))["token"]
    began = datetime.now(UTC)
    other = new_app(app.server)
    with (
        app.connect("b", "a", EVENTS_ROOM) as keyed,
        SocketClient(app.server.url, str(token), "orders") as ada,
        app.connect() as roomless,
        other.connect("a"),
    ):
        body = told(app.server, app.key, "/sockets")
        assert (body["count"], body["next"]) == (3, None)
        found = {str(each["sid"]): each for each in sockets_in(body)}
        assert [*found] == sorted([keyed.sid, ada.sid, roomless.sid])
        assert found[keyed.sid]["rooms"] == ["a", "b"]
        assert (found[ada.sid]["rooms"], found[ada.sid]["subject"]) == (["orders"], "ada")
        assert (found[roomless.sid]["rooms"], found[roomless.sid]["subject"]) == ([], None)
        for each in found.values():
            assert each.keys() == {"sid", "host", "connectedAt", "subject", "rooms"}
            at = datetime.fromisoformat(str(each["connectedAt"]))
            assert began <= at <= datetime.now(UTC) + timedelta(seconds=1)
        first = told(app.server, app.key, "/sockets", limit=2)
        rest = told(app.server, app.key, "/sockets", after=str(first["next"]))
        pages = [*sockets_in(first), *sockets_in(rest)]
        assert [each["sid"] for each in pages] == [*found]
        assert rest["next"] is None
    wait_until(lambda: told(app.server, app.key, "/sockets")["count"] == 0, "the end of all")


def test_a_page_ends_where_it_is_large(app: App) -> None:
    """Sockets in a hundred rooms each with a long name are not all told at once."""
    rooms = [f"{number:03}" + "x" * 190 for number in range(100)]
    clients = [app.connect(*rooms) for _ in range(8)]
    try:
        seen: list[str] = []
        body: JsonObject = {"next": ""}
        pages = 0
        while body["next"] is not None:
            after = {"after": str(body["next"])} if body["next"] else {}
            body = told(app.server, app.key, "/sockets", **after)
            seen += [str(each["sid"]) for each in sockets_in(body)]
            pages += 1
        assert seen == sorted(client.sid for client in clients)
        assert pages == 2
    finally:
        for client in clients:
            client.__exit__(None, None, None)


def test_who_may(app: App) -> None:
    """To see them takes scope read, to end one subscribe too; a refused call ends nothing."""
    name = f"may-{app.key[-8:]}"
    reading = app.server.issue_key(Scope.READ, app=name)
    subscribing = app.server.issue_key(Scope.SUBSCRIBE, app=name)
    both = app.server.issue_key(Scope.SUBSCRIBE, Scope.READ, app=name)
    error_in(object_in(ask(app.server, subscribing, "/sockets")), "forbidden")
    assert ask(app.server, None, "/sockets").status_code == 401
    assert {*refused_fields(ask(app.server, app.key, "/sockets", limit=0, prefix="a"))} == {
        "limit",
        "prefix",
    }
    with SocketClient(app.server.url, subscribing) as client:
        sid = client.sid  # it has none when it is ended
        for key in (reading, subscribing):
            refusal(end(app, sid, key), 403, "forbidden")
        refusal(end(app, sid, "herald_none"), 401, "unauthorized")
        refusal(end(app, sid), 404, "not_found")  # it is another app's
        assert client.call("join", {"room": "a"}) == {"ok": True, "room": "a"}
        ended = end(app, sid, both)
        assert (ended.status_code, ended.content) == (204, b"")
        assert "RateLimit-Limit" in ended.headers
        refusal(end(app, sid, both), 404, "not_found")
    for sid in ("nobody", "x" * 500, "a b", "%00"):
        refusal(end(app, sid), 404, "not_found")


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
def test_a_javascript_client_that_is_ended_does_not_come_back(
    app: App, node: NodeProcess, transports: list[str]
) -> None:
    """It is told why; Herald writes down who did it. Another one of the app goes on."""
    ended, other = (node.open(app.server.url, app.key, transports) for _ in range(2))
    sid = ended.connected()
    other.connected()
    ended.join("orders")
    assert end(app, sid).status_code == 204
    assert ended.wait_for("disconnect")[0] == "io server disconnect"
    [why] = ended.received("herald.ended")
    error_in(why, "disconnected")
    assert app.publish("after", {})["recipients"] == 1
    other.wait_for_events("after", 1)
    # What comes back by itself does within a second, as the next test's client.
    other.drop()
    other.connected(2)
    assert len(ended.seen("connect")) == 1
    assert sid not in str(told(app.server, app.key, "/sockets"))
    app.server.wait_for_log(f'"sid": "{sid}"')
    assert "[audit.socket_ended]" in app.server.log_text()
    ended.connect()
    assert ended.connected(2) != sid
    for socket in (ended, other):
        socket.close()
