"""The end of sockets whose key is good no more."""

import uuid

import pytest

from tests.services.herald import HeraldServer
from tests.services.node import NodeProcess
from webapp.access.scopes import Scope


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
def test_revoked(gateway: HeraldServer, node: NodeProcess, transports: list[str]) -> None:
    """The sockets of a revoked key are told to go, and stay away; those of another stay."""
    app = uuid.uuid4().hex
    kept, revoked = (gateway.issue_key(Scope.PUBLISH, Scope.SUBSCRIBE, app=app) for _ in range(2))
    stays = node.open(gateway.url, kept, transports)
    goes = node.open(gateway.url, revoked, transports)
    stays.connected()
    goes.connected()
    gateway.revoke_key(revoked)
    assert goes.wait_for("disconnect")[0] == "io server disconnect"
    answer = gateway.post("/events", {"event": "order.created", "data": {"n": 1}}, kept)
    assert answer.json()["recipients"] == 1
    assert stays.wait_for_events("order.created", 1) == [{"n": 1}]
