"""Publishing while another process has SQLite's file locked."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from logger_lib import JsonObject, LogQuery
from tests.services.herald import HeraldServer, wait_until
from tests.web.conftest import stored_log

LOCKED_SECONDS = 3.0
LONGEST_SECONDS = 1.5
"""After a second what the database did not take is on disk; from then on it goes there at once."""
EVENT: JsonObject = {"event": "order.paid", "data": {"paymentId": "p-1"}}


def test_a_known_key_publishes_while_the_file_is_locked(home: Path) -> None:
    """The log waits for the file, calls do hardly; what was logged is stored afterwards."""
    with HeraldServer(home) as server:
        assert server.post("/events", EVENT).status_code == 202
        slowest, calls = 0.0, 1
        with closing(sqlite3.connect(home / "herald.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            ends = time.monotonic() + LOCKED_SECONDS
            while (began := time.monotonic()) < ends:
                assert server.post("/events", EVENT).status_code == 202
                slowest, calls = max(slowest, time.monotonic() - began), calls + 1
            other.execute("ROLLBACK")
        assert slowest < LONGEST_SECONDS
        query = LogQuery(event="order.paid", limit=1000)
        with stored_log({"HERALD_HOME": str(home)}) as log:
            wait_until(lambda: len(log.read(query)) == min(calls, 1000), "the stored records")
