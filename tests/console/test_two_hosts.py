"""The console at one host: what happens on another is seen and ended there."""

import json
from collections.abc import Iterator

import pytest
import requests

from logger_lib import JsonObject
from tests.hosts.conftest import Fleet, fleet
from tests.presence.conftest import sockets_in, told
from tests.services.databases import temporary_postgresql
from tests.services.herald import HeraldServer, wait_until
from tests.services.node import NodeProcess
from tests.services.redis_server import RedisServer
from tests.services.socket_client import SocketClient
from tests.web.conftest import refusal
from webapp.names import EVENTS_ROOM


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with (
        RedisServer() as redis,
        temporary_postgresql() as database,
        fleet(tmp_path_factory.mktemp("two"), [redis.url] * 2, database) as started,
    ):
        yield started


def publish(host: HeraldServer, key: str, event: str) -> JsonObject:
    """Publish to a room that is the event's own; return the 202."""
    answer = host.post("/events", {"event": event, "data": {"n": 1}, "room": f"of {event}"}, key)
    assert answer.status_code == 202, answer.text
    body: JsonObject = answer.json()
    return body


def test_events_of_another_host_are_seen(two: Fleet) -> None:
    """Also those that reach nobody there; what is seen names the sockets of all hosts."""
    here, there = two.hosts
    with SocketClient(here.url, two.key, EVENTS_ROOM, "of seen") as watching:
        published: dict[str, JsonObject] = {}
        shown: list[JsonObject] = []

        def is_shown() -> bool:
            # Other hosts are told with the next heartbeat that somebody watches.
            answer = publish(there, two.key, "seen")
            published[str(answer["id"])] = answer
            there.post("/events", {"event": "after", "data": {}}, two.key)
            shown.extend(
                data
                for name, data in watching.events_until("after")
                if name == "herald:event" and isinstance(data, dict) and data["event"] == "seen"
            )
            return bool(shown)

        wait_until(is_shown, "an event of another host", 20)
        first = shown[0]
        assert first.items() >= published[str(first["id"])].items()
        assert first["data"] == {"n": 1}
        if "unreached" not in first:
            assert first["recipients"] == 1


def test_sockets_of_another_host_are_listed_and_ended(two: Fleet) -> None:
    """By its client's rules it does not come back; whoever ended it stands in the log."""
    here, there = two.hosts
    with NodeProcess() as node, SocketClient(here.url, two.key) as own:
        far = node.open(there.url, two.key, ["websocket"])
        sid = far.connected()
        far.join("orders")

        def are_listed() -> bool:
            page = told(here, two.key, "/sockets")
            return {str(each["sid"]) for each in sockets_in(page)} == {sid, own.sid}

        wait_until(are_listed, "the sockets of both hosts", 20)
        [listed] = [each for each in sockets_in(told(here, two.key, "/sockets")) if each["rooms"]]
        assert (listed["sid"], listed["host"]) == (sid, two.ids()[1])
        assert listed["rooms"] == ["orders"]
        headers = {"Authorization": f"Bearer {two.key}"}
        # A host that is late may have ended it, and is asked again.
        answer = requests.delete(f"{here.url}/sockets/{sid}", headers=headers, timeout=20)
        assert answer.status_code in {204, 503}, answer.text
        assert far.wait_for("disconnect")[0] == "io server disconnect"
        assert json.dumps(far.received("herald.ended")).count("disconnected") == 2
        if answer.status_code == 204:
            here.wait_for_log(f'"sid": "{sid}"')

        def is_unknown() -> bool:
            again = requests.delete(f"{here.url}/sockets/{sid}", headers=headers, timeout=20)
            if again.status_code == 503:
                return False
            refusal(again, 404, "not_found")
            return True

        wait_until(is_unknown, "an answer of both hosts", 20)
        assert own.connected
        far.close()
