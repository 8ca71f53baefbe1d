"""Events as text: a line for people, a line of JSON, a row of CSV."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import TextIO

from logger_lib import escape
from webapp.csv_text import csv_lines
from webapp.events.event_log import StoredEvent

COLUMNS = ("id", "at", "app", "event", "rooms", "data")


class Format(StrEnum):
    """What an export is written as."""

    JSONL = "jsonl"
    CSV = "csv"


def write_events(events: Iterable[StoredEvent], wanted: Format, stream: TextIO) -> int:
    """Write ``events`` one by one; return how many there were."""
    if wanted is Format.CSV:
        stream.write(csv_lines([COLUMNS]))
    count = 0
    for event in events:
        if wanted is Format.CSV:
            stream.write(csv_lines([_cells(event)]))
        else:
            stream.write(json_line(event) + "\n")
        count += 1
    return count


def json_line(event: StoredEvent) -> str:
    """Return one line of JSON with all of ``COLUMNS``."""
    values = {**event.to_wire(), "app": event.record.app}
    return json.dumps({column: values[column] for column in COLUMNS})


def shown_line(event: StoredEvent) -> str:
    """Return one line for a terminal, in which nothing published can do harm."""
    wire = event.to_wire()
    rooms = ",".join(event.record.rooms) or "*"
    data = json.dumps(event.record.fields, ensure_ascii=False)
    return escape(f"{wire['at']}  {event.id}  {event.record.event}  {rooms}  {data}")


def _cells(event: StoredEvent) -> list[str]:
    wire = event.to_wire()
    rooms, data = json.dumps(wire["rooms"]), json.dumps(wire["data"])
    return [event.id, str(wire["at"]), event.record.app or "", event.record.event, rooms, data]
