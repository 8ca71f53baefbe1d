"""What asks who is there."""

import json

import requests

from logger_lib import JsonObject
from tests.services.herald import HeraldServer
from tests.services.socket_client import SocketClient
from webapp.names import PRESENCE

JOINED, LEFT = "herald:joined", "herald:left"


def ask(server: HeraldServer, key: str | None, path: str, **query: str | int) -> requests.Response:
    """Return what a host answers."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return requests.get(f"{server.url}{path}", params=query, headers=headers, timeout=10)


def told(server: HeraldServer, key: str, path: str, **query: str | int) -> JsonObject:
    """Return what a host tells, which must not refuse."""
    answer = ask(server, key, path, **query)
    assert answer.status_code == 200, answer.text
    body: JsonObject = answer.json()
    return body


def rooms_of(server: HeraldServer, key: str, **query: str | int) -> dict[str, int]:
    """Return the rooms on a page, with their sockets."""
    rooms = told(server, key, "/rooms", **query)["rooms"]
    assert isinstance(rooms, list)
    return {each["room"]: each["sockets"] for each in json.loads(json.dumps(rooms))}


def sockets_in(page: JsonObject) -> list[JsonObject]:
    """Return the sockets on a page."""
    sockets: list[JsonObject] = []
    assert isinstance(page["sockets"], list)
    for each in page["sockets"]:
        assert isinstance(each, dict)
        sockets.append(each)
    return sockets


def sids_in(server: HeraldServer, key: str, room: str) -> set[str]:
    """Return the sids of those in a room, of which there are few."""
    page = told(server, key, f"/rooms/{room}/sockets")
    return {str(each["sid"]) for each in sockets_in(page)}


def watch(server: HeraldServer, key: str, room: str) -> SocketClient:
    """Return a socket that watches a room."""
    return SocketClient(server.url, key, PRESENCE + room)


def next_change(watching: SocketClient) -> tuple[str, JsonObject]:
    """Return the next event that a watcher gets, and its data."""
    name, data = watching.next_event()
    assert isinstance(data, dict)
    return str(name), data


def next_sid(watching: SocketClient) -> tuple[str, str]:
    """Return the next event that a watcher gets, and whom it is about."""
    name, data = next_change(watching)
    return name, str(data["sid"])
