"""Hits that a test sends, and what of them is in the embedded database."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from logger_lib import JsonObject, JsonValue
from tests.services.herald import wait_until
from tests.services.ledger import Entry, Found, Ledger
from tests.services.publishers import Publishers

HITS_A_CALL = 10
"""Of ``BatchSenders``."""

SAMPLE: JsonObject = {
    "event": "login_form_cta_click",
    "url": "https://example.com/page",
    "referrer": "https://google.com",
    "device": "mobile",
    "ipAddress": "192.168.1.1",
    "timestamp": "2024-02-20T12:34:56Z",
    "userId": "user789",
    "metadata": {"browser": "Chrome", "os": "Android", "screenSize": "1080x1920"},
}
"""The assignment's own."""


def stored_hits(home: Path, event: str, number: int = 0) -> list[dict[str, JsonValue]]:
    """Return the rows of the hits of ``event``, in the order in which they were written.

    As soon as there are ``number`` of them: on a busy machine they may be in the spool first.
    """
    if number:
        wait_until(lambda: len(_stored_hits(home, event)) >= number, f"row {number} of {event}")
    return _stored_hits(home, event)


def _stored_hits(home: Path, event: str) -> list[dict[str, JsonValue]]:
    with closing(sqlite3.connect(home / "herald.db", timeout=10)) as database:
        database.row_factory = sqlite3.Row
        query = "SELECT * FROM hit WHERE event = ? ORDER BY number"
        return [dict(row) for row in database.execute(query, (event,))]


def message_ids(home: Path, event: str, number: int = 0) -> list[str]:
    """Return the message ids of the rows of ``stored_hits``."""
    return [str(row["message_id"]) for row in stored_hits(home, event, number)]


class Senders(Publishers):
    """Publishers whose events are hits: single ones, each with its number as ``messageId``."""

    def _call(self, entry: Entry) -> tuple[str, JsonObject]:
        return "/collect", {
            "event": self._ledger.event,
            "messageId": f"{entry.number}",
            "userId": f"user-{entry.number % 10}",
            "metadata": self._ledger.data_of(entry),
        }


class BatchSenders(Publishers):
    """Publishers of batches: each event of the ledger is a call with ``HITS_A_CALL`` hits."""

    def _call(self, entry: Entry) -> tuple[str, JsonObject]:
        hits: list[JsonValue] = [
            {"event": "page.seen", "userId": name[-1:], "messageId": name} for name in _names(entry)
        ]
        return "/analytics/collect", {"batch": hits}

    def acknowledged(self) -> list[str]:
        """Return the message ids of the hits that were answered 202."""
        entries = self._ledger.entries
        return [name for entry in entries if entry.acknowledged for name in _names(entry)]


def _names(entry: Entry) -> list[str]:
    return [f"{entry.publisher}-{entry.number}-{place}" for place in range(HITS_A_CALL)]


def hits_of(home: Path, ledger: Ledger) -> list[Found]:
    """Return what is in the embedded database of the ledger's hits; answers told none of an id."""
    return [
        Found("", "", json.loads(str(row["details"])), 0) for row in stored_hits(home, ledger.event)
    ]


def hits_in_server(url: str, ledger: Ledger) -> list[Found]:
    """Return what is in a database server of the ledger's hits."""
    engine = create_engine(url, poolclass=NullPool)
    query = text("SELECT details FROM hit WHERE event = :event")
    with engine.connect() as connection:
        rows = connection.execute(query, {"event": ledger.event}).all()
    return [Found("", "", json.loads(str(details)), 0) for (details,) in rows]


def counted(home: Path, event: str) -> int:
    """Return how many hits of ``event`` the sums have."""
    with closing(sqlite3.connect(home / "herald.db", timeout=10)) as database:
        query = "SELECT COALESCE(SUM(hits), 0) FROM hit_count WHERE event = ?"
        (hits,) = database.execute(query, (event,)).fetchone()
    return int(hits)
