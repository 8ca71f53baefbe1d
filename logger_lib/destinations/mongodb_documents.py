"""How a record becomes a document of MongoDB and is one again."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict, cast

import bson
from bson.dbref import DBRef
from bson.errors import BSONError
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from logger_lib.failure import Failure, FailureJson
from logger_lib.json_value import JsonObject, JsonValue
from logger_lib.record import LogRecord, level_of, microseconds_of, time_of
from logger_lib.terms import terms_of


class Document(TypedDict):
    """A record as it is stored."""

    _id: str
    time: datetime
    time_us: int
    level: int
    event: str
    message: str
    fields: JsonObject
    event_id: str | None
    app: str | None
    rooms: list[str]
    recipients: list[str]
    failure: FailureJson | None
    is_event: bool
    terms: list[int]


_MAX_BYTES = 16 * 1024 * 1024
# MongoDB takes 100 levels in all; the document and the command around it take some.
_MAX_DEPTH = 90


def encode(record: LogRecord) -> RawBSONDocument:
    """Return the document of ``record``; raises ``ValueError`` for what MongoDB cannot hold."""
    _check_depth(record.fields)
    document: Document = {
        "_id": record.id,
        "time": record.time,
        # A BSON date ends at milliseconds.
        "time_us": microseconds_of(record.time),
        "level": int(level_of(record.level)),
        "event": record.event,
        "message": record.message,
        "fields": record.fields,
        "event_id": record.event_id,
        "app": record.app,
        "rooms": list(record.rooms),
        "recipients": list(record.recipients),
        "failure": record.failure.to_json() if record.failure else None,
        "is_event": record.id == record.event_id,
        "terms": sorted(terms_of(record)),
    }
    try:
        encoded = bson.encode(document)
    except BSONError as error:
        raise ValueError(f"BSON cannot hold it: {error}") from error
    if len(encoded) > _MAX_BYTES:
        raise ValueError(f"it is {len(encoded)} bytes long, and {_MAX_BYTES} is the most")
    return RawBSONDocument(encoded)


def record_of(raw: RawBSONDocument) -> LogRecord:
    """Return the record that the document was made from."""
    document = cast("Document", bson.decode(raw.raw))
    return LogRecord(
        id=document["_id"],
        time=time_of(document["time_us"]),
        level=level_of(document["level"]),
        event=document["event"],
        message=document["message"],
        fields={key: _plain(child) for key, child in document["fields"].items()},
        event_id=document["event_id"],
        app=document["app"],
        rooms=tuple(document["rooms"]),
        recipients=tuple(document["recipients"]),
        failure=Failure.from_json(stored) if (stored := document.get("failure")) else None,
    )


def _check_depth(fields: JsonValue) -> None:
    """Raise ``ValueError`` for what the server would refuse together with its whole batch."""
    level = [fields]
    for _ in range(_MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {_MAX_DEPTH} levels")


def _children(value: JsonValue) -> list[JsonValue]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in inner if isinstance(child, (dict, list))]


def _plain(value: JsonValue | DBRef) -> JsonValue:
    """Return ``value`` as it was logged.

    PyMongo reads ``$ref`` and ``$id`` as a link, and a large integer as a class of its own.
    """
    if isinstance(value, DBRef):
        return _plain(dict(value.as_doc()))
    if isinstance(value, dict):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    if isinstance(value, Int64):
        return int(value)
    return value
