"""A hit: one analytics event, as it goes from the call that sent it to the database."""

from dataclasses import dataclass
from typing import cast

import orjson

from logger_lib import JsonObject


# Not frozen, although nobody changes one: it would take five times as long to make (4 us more).
@dataclass(slots=True, kw_only=True)
class Hit:
    """What was sent, checked, with what the server knows of it. Times are in ms since 1970, UTC."""

    app_id: str
    message_id: str
    """Its sender's name for it, else ours: of two hits with the same one in an app, one is kept."""
    event: str
    at: int
    """When it happened: the sender's time, put right by ``sentAt``; else when it came."""
    received_at: int
    url: str | None = None
    referrer: str | None = None
    device: str | None = None
    ip_address: str | None = None
    """As much of it as the app lets be kept."""
    user_agent: str | None = None
    """Read when it is written, and not kept."""
    user_id: str | None = None
    session_id: str | None = None
    metadata: JsonObject | None = None

    def to_json(self) -> str:
        """Return it as one line of JSON, without what is absent."""
        # Not by ``asdict``, which copies all of the metadata in Python.
        values = {name: getattr(self, name) for name in self.__slots__}
        present = {name: value for name, value in values.items() if value is not None}
        return orjson.dumps(present).decode()

    @classmethod
    def from_json(cls, text: str) -> "Hit":
        """Return the hit of ``text``; raises ``ValueError``, ``KeyError`` or ``TypeError``."""
        return cls(**cast("dict[str, str]", orjson.loads(text)))  # type: ignore[arg-type]
