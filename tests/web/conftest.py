"""An app of the test's own on the shared server, and what reads a server's log back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import requests

from logger_lib import JsonObject, JsonValue, LogReader, uuid7
from logger_lib.destinations.sql import SqlLoggerFactory
from tests.services.herald import HeraldServer
from tests.services.socket_client import SocketClient
from webapp.access.scopes import Scope


@dataclass(frozen=True, slots=True)
class App:
    """One tenant of a running server: nobody else's events come here."""

    server: HeraldServer
    key: str

    def post(self, path: str, body: JsonValue, **headers: str) -> requests.Response:
        """POST ``body`` as JSON with the app's key."""
        return self.server.post(path, body, self.key, **headers)

    def post_raw(self, path: str, body: bytes, **headers: str) -> requests.Response:
        """POST ``body`` as it is with the app's key."""
        return self.server.post_raw(path, body, self.key, **headers)

    def publish(self, event: str, data: JsonObject, **more: JsonValue) -> JsonObject:
        """Publish one event, which must be taken, and return the answer."""
        answer = self.post("/events", {"event": event, "data": data, **more})
        assert answer.status_code == 202, answer.text
        return object_in(answer)

    def connect(self, *rooms: str) -> SocketClient:
        """Connect a client that is in ``rooms``."""
        return SocketClient(self.server.url, self.key, *rooms)


def new_app(server: HeraldServer) -> App:
    """Return a fresh app with a key that may do everything."""
    return App(server, server.issue_key(*Scope, app=f"app-{uuid7()}"))


@pytest.fixture
def app(herald: HeraldServer) -> App:
    """An app of this test's own on the shared server."""
    return new_app(herald)


@pytest.fixture(scope="module")
def module_app(herald: HeraldServer) -> App:
    """One app for a module whose tests leave nothing behind in it."""
    return new_app(herald)


@pytest.fixture(scope="module")
def bystander(module_app: App) -> Iterator[SocketClient]:
    """A client of the module's app, in no room, connected from its first test to its last."""
    with module_app.connect() as client:
        yield client


def object_in(answer: requests.Response) -> JsonObject:
    """Return the JSON object that ``answer`` carries."""
    body = answer.json()
    assert isinstance(body, dict), answer.text
    return body


def error_in(body: JsonValue, code: str) -> JsonObject:
    """Return what is in the error envelope ``body``, which must have this form and ``code``."""
    assert isinstance(body, dict)
    assert list(body) == ["error"]
    error = body["error"]
    assert isinstance(error, dict)
    assert {"code", "message"} <= error.keys() <= {"code", "message", "fields"}
    assert error["code"] == code, error
    assert isinstance(error["message"], str)
    assert error["message"]
    return error


def refusal(answer: requests.Response, status: int, code: str) -> JsonObject:
    """Return the error that ``answer`` must be: in the envelope, with this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return error_in(answer.json(), code)


def refused_fields(answer: requests.Response) -> JsonObject:
    """Return what a 422 says by field."""
    fields = refusal(answer, 422, "validation_failed")["fields"]
    assert isinstance(fields, dict)
    return fields


@contextmanager
def stored_log(settings: dict[str, str]) -> Iterator[LogReader]:
    """Read the ``sql`` log that a server with these settings writes."""
    factory = SqlLoggerFactory.from_settings(settings)
    try:
        yield factory.create_reader()
    finally:
        factory.close()
