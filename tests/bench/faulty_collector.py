"""A collector that makes one mistake: ``python -m tests.bench.faulty_collector``.

It keeps hits where the embedded Herald does. ``FAULT`` names the mistake, which is made once.
"""

import json
import os
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

WRONG_HIT = "hit-3"
STALL_SECONDS = 0.4
TABLES = """
CREATE TABLE hit (message_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE hit_count (hits INTEGER NOT NULL);
"""


class Collector(BaseHTTPRequestHandler):
    """Stores what is posted, or not so well."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    database: sqlite3.Connection
    lock = threading.Lock()
    fault = os.environ.get("FAULT", "")

    def do_GET(self) -> None:
        """Say that it is there."""
        self.answer(200)

    def do_POST(self) -> None:
        """Take a hit, or a batch."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hits = body.get("batch", [body])
        wrong = any(hit.get("messageId") == WRONG_HIT for hit in hits)
        if wrong and self.fault == "stall":
            threading.Event().wait(STALL_SECONDS)
        with self.lock, self.database:
            for hit in hits:
                self.store(hit)
        self.answer(503 if wrong and self.fault == "refuse" else 202)

    def store(self, hit: dict[str, str]) -> None:
        """Store one as often as the fault has it."""
        number = hit.get("messageId", "")
        fault = self.fault if number == WRONG_HIT else ""
        for _ in range({"lose": 0, "double": 2}.get(fault, 1)):
            self.database.execute("INSERT INTO hit VALUES (?, ?)", (number, json.dumps(hit)))
            self.database.execute("INSERT INTO hit_count VALUES (?)", (int(fault != "miscount"),))

    def answer(self, status: int) -> None:
        """Answer without a word."""
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: str) -> None:
        """Stay silent."""


def serve() -> HTTPServer:
    """Return the server, with an empty database."""
    file = Path(os.environ["HERALD_HOME"]) / "herald.db"
    Collector.database = sqlite3.connect(file, check_same_thread=False)
    Collector.database.execute("PRAGMA journal_mode=WAL")
    Collector.database.executescript(TABLES)
    return ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Collector)


if __name__ == "__main__":
    serve().serve_forever()
