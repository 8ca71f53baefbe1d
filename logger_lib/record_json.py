"""A record as one line of JSON, and back: equal, whatever it holds.

What JSON or its parser cannot take (half a character beside its other half, an integer of thousands
of digits, a hundred levels) is written in a second form, in which nothing is nested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TypedDict, cast

from logger_lib.failure import Failure, FailureJson
from logger_lib.flat_json import flatten, unflatten
from logger_lib.json_value import JsonObject, JsonValue
from logger_lib.record import LogRecord, level_of

_FLAT = "flat"
_MAX_DEPTH = 100


class RecordJson(TypedDict):
    """A record as it is written."""

    id: str
    time: str
    event: str
    message: str
    level: int
    fields: JsonObject
    event_id: str | None
    app: str | None
    rooms: list[str]
    recipients: list[str]
    failure: FailureJson | None


def to_json(record: LogRecord) -> str:
    """Return ``record`` as JSON: ASCII, in one line.

    Raises for data that contains itself, and for what is not JSON at all.
    """
    whole: RecordJson = {
        "id": record.id,
        "time": record.time.isoformat(),
        "event": record.event,
        "message": record.message,
        "level": int(level_of(record.level)),
        "fields": record.fields,
        "event_id": record.event_id,
        "app": record.app,
        "rooms": list(record.rooms),
        "recipients": list(record.recipients),
        "failure": record.failure.to_json() if record.failure else None,
    }
    try:
        text = json.dumps(whole)
    except (ValueError, RecursionError):
        text = ""
    if text and (_is_simple(text) or _reads_back(text, whole)):
        return text
    return json.dumps({_FLAT: flatten(cast("JsonValue", whole))})


def from_json(text: str) -> LogRecord:
    """Return the record of which ``to_json`` made ``text``.

    Raises ``ValueError``, ``KeyError`` or ``TypeError`` for any other text.
    """
    read = json.loads(text)
    whole = cast("RecordJson", unflatten(read[_FLAT]) if _FLAT in read else read)
    failure = whole["failure"]
    return LogRecord(
        id=whole["id"],
        time=datetime.fromisoformat(whole["time"]),
        event=whole["event"],
        message=whole["message"],
        level=level_of(whole["level"]),
        fields=whole["fields"],
        event_id=whole["event_id"],
        app=whole["app"],
        rooms=tuple(whole["rooms"]),
        recipients=tuple(whole["recipients"]),
        failure=Failure.from_json(failure) if failure else None,
    )


def _is_simple(text: str) -> bool:
    """Say without a closer look that ``text`` will be read as what it was made of."""
    return "\\ud" not in text and text.count("{") + text.count("[") <= _MAX_DEPTH


def _reads_back(text: str, whole: RecordJson) -> bool:
    return not _is_deep(whole["fields"]) and bool(json.loads(text) == whole)


def _is_deep(fields: JsonObject) -> bool:
    level: list[JsonValue] = [fields]
    for _ in range(_MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
