"""What it costs to know who calls: a verified request beside an unverified one.

``python -m bench.verification`` times the gate alone, and all of ``POST /events`` with and without
it, in this process and without a network, in turn. Call and call are timed one by one and
in turn, and medians compared, so that whatever else runs on the machine counts as little as can be.
The look at the database, once a second for a key that is in use, has a row of its own.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from logger_lib import JsonObject, LoggerGroup
from logger_lib.destinations.memory import MemoryLoggerFactory
from logger_lib.flask import init_app, register_blueprint
from logger_lib.offload import inline
from webapp.access.gate import Caller, Gate
from webapp.access.http_key import presented_token
from webapp.access.keys import ApiKeys
from webapp.access.room_tokens import RoomTokens, RoomTokenSigner
from webapp.access.scopes import Scope
from webapp.access.tokens import KeySigner
from webapp.environment import EventAck
from webapp.events.acknowledgement import Acknowledgements
from webapp.events.event import Event
from webapp.events.fan_out import Delivered
from webapp.events.idempotency import IdempotentAnswers
from webapp.events.live import LiveEvents
from webapp.events.publisher import Publisher
from webapp.events.short_way import PATH, PublishShortWay
from webapp.events.views import make_events_blueprint
from webapp.short_way import Route, ShortWay
from webapp.storage.database import Database

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

BOUND_US = 20.0
RUNS = 9
CALLS = 2_000
SECRET = "of the bench alone, and long enough"  # noqa: S105  no secret
BODY = orjson.dumps({"event": "order.created", "room": "orders", "data": {"orderId": "cfa3f520"}})
SCOPES = frozenset({Scope.PUBLISH, Scope.SUBSCRIBE})


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way costs, in microseconds a call: the medians of the medians of the runs."""

    name: str
    with_us: float
    without_us: float
    more_us: float
    is_judged: bool


class Nobody:
    """The sockets of a server that has none."""

    def is_sid(self, name: str) -> bool:
        """Say that it is not."""
        del name
        return False

    def hand_out(self, event: Event, event_id: str, at: datetime) -> Delivered:
        """Deliver to nobody."""
        del event, event_id, at
        return Delivered(())

    def is_anybody_in(self, app_id: str, room: str) -> bool:
        """Say that nobody is."""
        del app_id, room
        return False

    def deliver(
        self,
        app_id: str,
        event: str,
        data: JsonObject,
        *,
        rooms: Sequence[str],
        excluded: Collection[str],
    ) -> tuple[str, ...]:
        """Show nothing to anybody."""
        del app_id, event, data, rooms, excluded
        return ()


class OpenGate(Gate):
    """Lets everybody in as one and the same caller, and asks nothing."""

    def __init__(self, keys: ApiKeys, signer: KeySigner, everybody: Caller) -> None:
        super().__init__(keys, signer)
        self._everybody = everybody

    def known(self, token: str | None, scope: Scope) -> Caller:
        """Return the one caller."""
        del token, scope
        return self._everybody

    def admit(self, token: str | None, scope: Scope) -> Caller:
        """Return the one caller."""
        del token, scope
        return self._everybody


def publishing_app(gate: Gate) -> WSGIApplication:
    """Return an app that answers ``POST /events`` as Herald does, with ``gate`` in front."""
    app = Flask("bench", static_folder=None)
    init_app(app, {"memory": MemoryLoggerFactory()})
    nobody = Nobody()
    publisher = Publisher(nobody, LiveEvents(nobody))
    acknowledgements = Acknowledgements(EventAck.QUEUED)
    blueprint = make_events_blueprint(publisher, gate, IdempotentAnswers(), acknowledgements)
    logger: LoggerGroup = register_blueprint(app, blueprint, loggers=("memory",))
    way = PublishShortWay(publisher, gate, logger, acknowledgements.of(logger), meter=None)
    return ShortWay(app, {PATH: Route(way)})


def post(app: WSGIApplication, content_type: str, token: str | None) -> Callable[[], None]:
    """Return what posts an event to ``app``; any content type but the plain one goes to Flask."""
    headers = Headers({"Content-Type": content_type})
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    environ = EnvironBuilder(path=PATH, method="POST", headers=headers, data=BODY).get_environ()

    def call() -> None:
        _, status, _ = run_wsgi_app(app, {**environ, "wsgi.input": io.BytesIO(BODY)})
        if status != "202 ACCEPTED":
            raise RuntimeError(f"the event was refused: {status}")

    return call


def nothing() -> None:
    """Verify nothing."""


def measure(home: Path, runs: int, calls: int) -> Iterator[Cost]:
    """Yield what each way costs."""
    database = Database(f"sqlite:///{home}/herald.db", inline)
    database.migrate()
    signer = KeySigner(SECRET)
    keys = ApiKeys(database, signer)
    issued = keys.issue("bench", SCOPES)
    gate, token = Gate(keys, signer), issued.token
    caller = gate.admit(token, Scope.PUBLISH)
    open_gate = OpenGate(keys, signer, caller)
    header = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    rooms = RoomTokens(RoomTokenSigner(SECRET), gate)
    room_token, _ = rooms.issue(caller, ["orders", "order.*"], 3_600, "user-7")
    app, open_app = publishing_app(gate), publishing_app(open_gate)

    def known() -> None:
        gate.known(presented_token(header), Scope.PUBLISH)

    def admit() -> None:
        gate.admit(presented_token(header), Scope.PUBLISH)

    def admit_socket() -> None:
        rooms.admit(room_token)

    def look() -> None:
        Gate(keys, signer).admit(token, Scope.PUBLISH)

    plain, spelt_out = "application/json", "application/json; charset=utf-8"
    for name, verified, unverified in (
        ("the gate, on the short way", known, nothing),
        ("the gate, in Flask", admit, nothing),
        ("`POST /events`, the short way", post(app, plain, token), post(open_app, plain, None)),
        ("`POST /events`, in Flask", post(app, spelt_out, token), post(open_app, spelt_out, None)),
    ):
        yield timed(name, verified, unverified, runs, calls, is_judged=True)
    yield timed("a socket's room token", admit_socket, nothing, runs, calls, is_judged=False)
    few = max(1, calls // 20)
    yield timed("a key not seen for a second", look, nothing, runs, few, is_judged=False)
    database.close()


def timed(
    name: str,
    verified: Callable[[], None],
    unverified: Callable[[], None],
    runs: int,
    calls: int,
    *,
    is_judged: bool,
) -> Cost:
    """Return what ``verified`` costs beside ``unverified``; the two go in turn."""
    pairs = [_run(verified, unverified, calls) for _ in range(runs)]
    return Cost(
        name,
        statistics.median(slow for slow, _ in pairs),
        statistics.median(fast for _, fast in pairs),
        statistics.median(slow - fast for slow, fast in pairs),
        is_judged,
    )


def _run(
    verified: Callable[[], None], unverified: Callable[[], None], calls: int
) -> tuple[float, float]:
    slow, fast = list[float](), list[float]()
    for _ in range(calls):
        slow.append(_microseconds(verified))
        fast.append(_microseconds(unverified))
    return statistics.median(slow), statistics.median(fast)


def _microseconds(call: Callable[[], None]) -> float:
    began = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began) / 1000


def main() -> int:
    """Print a table; 1 where a verified request costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--calls", type=int, default=CALLS, help="in each run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        return report(measure(Path(home), options.runs, options.calls))


def report(costs: Iterable[Cost]) -> int:
    """Print ``costs``; return 1 where one of those that are judged is over the bound."""
    print("| | verified µs | unverified µs | more µs |\n|---|--:|--:|--:|")  # noqa: T201
    missed = 0
    for each in costs:
        print(  # noqa: T201
            f"| {each.name} | {each.with_us:.1f} | {each.without_us:.1f} | {each.more_us:.1f} |"
        )
        missed += each.is_judged and each.more_us > BOUND_US
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
