"""Hits, and what became of them in the database."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from webapp.collect.hit import Hit
from webapp.collect.stream.hit_stream import EntryFields

APP = "01930000-0000-7000-8000-000000000001"


def make_hits(count: int, name: str = "m", app_id: str = APP) -> list[Hit]:
    """Return ``count`` hits of now, called ``m-0``, ``m-1`` and so on."""
    now = int(time.time() * 1000)
    return [
        Hit(
            app_id=app_id,
            message_id=f"{name}-{number}",
            event="login_form_cta_click",
            at=now,
            received_at=now,
            url="https://example.com/page",
            device="mobile",
            ip_address="192.168.1.0",
            user_id=f"user-{number % 100}",
            metadata={"browser": "Chrome", "screenSize": "1080x1920"},
        )
        for number in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a database holds."""

    names: frozenset[str]
    rows: int
    counted: int
    """What the sums say."""

    def faults(self, acknowledged: Sequence[str]) -> dict[str, int]:
        """Return how many of ``acknowledged`` are lost or doubled; empty where none is."""
        found = {
            "lost": len(set(acknowledged) - self.names),
            "doubled": self.rows - len(self.names),
            "counted otherwise": self.counted - self.rows,
        }
        return {name: count for name, count in found.items() if count}


def stored_in(database_url: str) -> Stored:
    """Return what a database holds to which nobody writes just now."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        counted = connection.execute(text("SELECT COALESCE(SUM(hits), 0) FROM hit_count"))
        total = int(counted.scalar_one())
        names = [str(name) for (name,) in connection.execute(text("SELECT message_id FROM hit"))]
    return Stored(frozenset(names), len(names), total)


def count_stored(database_url: str) -> int:
    """Return how many hits are stored."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT COUNT(*) FROM hit")).scalar_one())


def fields_in(redis: Redis, stream: str) -> list[EntryFields]:
    """Return what the entries of ``stream`` hold, oldest first."""
    return [fields for _, fields in cast("list[tuple[bytes, EntryFields]]", redis.xrange(stream))]
