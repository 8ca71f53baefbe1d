"""What a log holds of the ledger's events: read from the database itself, and through Herald."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import requests
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.services.ledger import Found, Ledger
from tests.services.mongod import DATABASE, MongoServer

COLLECTION = "event_log"
_COLUMNS = "id, event_id, fields, recipients"


def in_sqlite(home: Path, ledger: Ledger) -> list[Found]:
    """Return what is in the embedded database."""
    with closing(sqlite3.connect(home / "herald.db", timeout=10)) as database:
        rows = database.execute(
            f"SELECT {_COLUMNS} FROM event_log WHERE event = ?", (ledger.event,)
        ).fetchall()
    return [_found(*row) for row in rows]


def in_database(url: str, ledger: Ledger) -> list[Found]:
    """Return what is in a database server."""
    engine = create_engine(url, poolclass=NullPool)
    query = text(f"SELECT {_COLUMNS} FROM event_log WHERE event = :event")
    with engine.connect() as connection:
        rows = connection.execute(query, {"event": ledger.event}).all()
    return [_found(*map(str, row)) for row in rows]


def in_mongodb(server: MongoServer, ledger: Ledger) -> list[Found]:
    """Return what is in MongoDB."""
    with server.client() as client:
        return [
            Found(
                str(document["_id"]),
                str(document["event_id"]),
                fields if isinstance(fields := document["fields"], dict) else {},
                len(sids) if isinstance(sids := document["recipients"], list) else 0,
            )
            for document in client[DATABASE][COLLECTION].find({"event": ledger.event})
        ]


def through_herald(url: str, key: str, ledger: Ledger) -> list[Found]:
    """Return what ``GET /events`` finds, page by page; it has no deliveries."""
    found: list[Found] = []
    asked = {"event": ledger.event, "limit": "1000"}
    while True:
        answer = requests.get(
            f"{url}/events",
            params=asked,
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [Found(each["id"], each["id"], each["data"], 0) for each in page["events"]]
        if page["next"] is None:
            return found
        asked["cursor"] = page["next"]


def _found(record_id: str, event_id: str, fields: str, recipients: str) -> Found:
    return Found(record_id, event_id, json.loads(fields), len(json.loads(recipients)))
