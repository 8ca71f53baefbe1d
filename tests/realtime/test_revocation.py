"""The end of sockets whose key is good no more."""

import time
import uuid
from collections.abc import Collection, Iterable

import eventlet
import pytest

from logger_lib.destinations.memory import MemoryLoggerFactory
from tests.services.herald import HeraldServer
from tests.services.node import NodeProcess
from webapp.access.scopes import Scope
from webapp.realtime.revocation import RevocationWatch


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
    revoked_at = time.monotonic()
    assert goes.wait_for("disconnect")[0] == "io server disconnect"
    seconds = time.monotonic() - revoked_at
    print(f"revoked: ended over {transports[0]} after {seconds:.2f} s")
    assert seconds < 2.0
    answer = gateway.post("/events", {"event": "order.created", "data": {"n": 1}}, kept)
    assert answer.json()["recipients"] == 1
    assert stays.wait_for_events("order.created", 1) == [{"n": 1}]


class OneKey:
    """The sockets of one key, which keep from whom they were parted."""

    def __init__(self) -> None:
        self.parted: list[set[str]] = []

    def keys_in_use(self) -> frozenset[str]:
        """Return the one."""
        return frozenset({"key"})

    def part_with(self, key_ids: Collection[str]) -> None:
        """Keep which."""
        self.parted.append(set(key_ids))


def test_a_look_that_fails() -> None:
    """One that raises is said, once for all in a row, and does not end the watching."""
    factory, sockets = MemoryLoggerFactory(), OneKey()
    failures = iter([OSError("gone"), OSError("gone"), None, ValueError("odd"), None])

    def look(in_use: Iterable[str]) -> Collection[str]:
        failure = next(failures)
        if failure is not None:
            raise failure
        return set(in_use)

    watch = RevocationWatch(sockets, look, factory.create_logger("test"), seconds=0)
    watching = eventlet.spawn(watch.run)
    with eventlet.Timeout(5):
        while len(sockets.parted) < 2:
            eventlet.sleep(0)
    watching.kill()
    assert sockets.parted == [{"key"}] * 2
    assert [record.message for record in factory.records] == [
        "looking for revoked keys: OSError: gone",
        "looking for revoked keys: ValueError: odd",
    ]
