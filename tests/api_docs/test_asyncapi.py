"""The AsyncAPI document: messages of real sockets are as it says."""

import requests
from jsonschema_rs import Draft202012Validator

from logger_lib import JsonObject, JsonValue
from tests.api_docs.conftest import SECONDS, Documented
from tests.api_docs.test_openapi import object_in, schema_in
from tests.services.socket_client import SocketClient
from webapp.names import EVENTS_ROOM, HITS_ROOM, PRESENCE
from webapp.realtime.parting import ENDED


def messages_of(documented: Documented) -> tuple[JsonObject, dict[str, JsonObject]]:
    """Return the document, and its messages by the names that they have in it."""
    document = documented.document("/asyncapi.json")
    messages = object_in(object_in(document["components"])["messages"])
    return document, {key: object_in(message) for key, message in messages.items()}


def problems(document: JsonObject, message: JsonObject, payload: JsonValue) -> list[str]:
    """Return what is wrong with a payload."""
    validator = Draft202012Validator(schema_in(document, message["payload"]))
    return [error.message for error in validator.iter_errors(payload)]


def test_examples_are_what_they_are_examples_of(documented: Documented) -> None:
    """Each message has an example, which is as its schema says."""
    document, messages = messages_of(documented)
    for key, message in messages.items():
        examples = message["examples"]
        assert isinstance(examples, list)
        assert examples
        for example in examples:
            assert problems(document, message, object_in(example)["payload"]) == [], key


def test_it_tells_where_it_came_from(documented: Documented) -> None:
    """The server that is named is the one that was asked; every event with a handler is there."""
    document, messages = messages_of(documented)
    server = object_in(object_in(document["servers"])["herald"])
    assert server["host"] == f"127.0.0.1:{documented.server.port}"
    handled = object_in(documented.document("/test/calls"))["events"]
    assert isinstance(handled, list)
    assert {*handled} - {"*", "disconnect"} <= {message["name"] for message in messages.values()}


def test_what_a_socket_hears_is_as_described(documented: Documented) -> None:
    """Acknowledgements, events, presence, hits, and the end of a socket: each is as described."""
    document, messages = messages_of(documented)
    by_name = {str(message["name"]): message for message in messages.values()}
    url, key = documented.server.url, documented.key
    presence = f"{PRESENCE}documented"
    with SocketClient(url, key, EVENTS_ROOM, HITS_ROOM, presence) as watching:
        with SocketClient(url, key) as socket:
            answers = {
                "join acknowledged": socket.call("join", {"room": "documented"}),
                "leave acknowledged": socket.call("leave", {"room": ""}),
                "refresh acknowledged": socket.call("refresh", {"token": "none"}),
            }
            post(documented, "/events", {"event": "order.created", "data": {"n": 1}})
            post(documented, "/collect", {"event": "view"})
            ended = requests.delete(
                f"{url}/sockets/{socket.sid}", headers={"X-API-Key": key}, timeout=SECONDS
            )
            assert ended.status_code == 204
            answers |= heard_until(socket, ENDED)
        answers |= heard_until(watching, "herald:left")
    assert len(answers) == 3 + 2 + 4
    wrong = {
        name: found
        for name, told in answers.items()
        if (found := problems(document, by_name[name], told))
    }
    assert wrong == {}


def post(documented: Documented, path: str, body: JsonObject) -> None:
    answer = documented.server.post(path, body, documented.key)
    assert answer.status_code == 202, answer.text


def heard_until(socket: SocketClient, last: str) -> dict[str, JsonValue]:
    """Return what a socket hears, by the name of the event, up to ``last``."""
    heard: dict[str, JsonValue] = {}
    while last not in heard:
        name, payload = socket.next_event()
        heard[str(name)] = payload
    return heard
