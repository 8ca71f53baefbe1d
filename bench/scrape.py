"""What one scrape of ``/metrics`` takes of the event loop, and one look at the states of all parts.

``python -m bench.scrape`` builds the app with a thousand sockets in ten thousand rooms, has it make
the text many times, and prints medians. It ends with 1 where a scrape takes more than ``BOUND_MS``.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from prometheus_client import generate_latest

from webapp.app import build_app
from webapp.metrics.scrape import Scrape
from webapp.realtime.connection import Connection
from webapp.realtime.members import SocketOwner
from webapp.realtime.rooms import NAMESPACE, RoomManager
from webapp.realtime.server import SocketServer
from webapp.settings import Settings
from webapp.worker import MEASURING

BOUND_MS = 20.0
SOCKETS, ROOMS_OF_EACH = 1_000, 10
RUNS = 200


def fill(sockets: SocketServer) -> None:
    """Have sockets connected and in rooms, as they are once their clients have asked for it."""
    engine, rooms = sockets.engine, cast("RoomManager", sockets.server.manager)
    for number in range(SOCKETS):
        connection = Connection(engine, f"engine-{number}")
        engine.sockets[connection.sid] = connection
        sid = rooms.pre_connect(connection.sid, NAMESPACE)
        assert sid is not None  # noqa: S101 - it is new
        rooms.admit(sid, SocketOwner("app", None))
        rooms.connect(sid, NAMESPACE)
        for room in range(ROOMS_OF_EACH):
            rooms.join(sid, f"room-{number}-{room}")


def milliseconds(call: Callable[[], bytes]) -> float:
    """Return how long ``call`` takes: the median of many."""
    took: list[float] = []
    for _ in range(RUNS):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def main() -> int:
    """Measure, print, and say whether the bound holds."""
    with tempfile.TemporaryDirectory(prefix="herald-bench-") as home:
        app = build_app(Settings.from_environment({"HERALD_HOME": str(Path(home))}))
        scrape = cast("Scrape", app.extensions[MEASURING])
        ask = app.test_client().get
        alone = milliseconds(lambda: generate_latest(scrape))
        fill(cast("SocketServer", app.extensions["socketio"]))
        crowded = milliseconds(lambda: generate_latest(scrape))
        health = milliseconds(lambda: ask("/health/ready").data)
    sys.stdout.write(
        f"a scrape without sockets: {alone:.1f} ms\n"
        f"a scrape with {SOCKETS:,} sockets in {SOCKETS * ROOMS_OF_EACH:,} rooms: {crowded:.1f} ms"
        f" (bound {BOUND_MS:.0f})\n"
        f"/health/ready with them: {health:.1f} ms\n"
    )
    return int(crowded > BOUND_MS)


if __name__ == "__main__":
    sys.exit(main())
