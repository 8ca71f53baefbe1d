"""The ``console`` destination: one JSON object a line on stdout, for a log collector to read."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Self

from logger_lib.batching import BatchedLoggerFactory, Sink
from logger_lib.failure import FailureJson
from logger_lib.json_value import JsonValue
from logger_lib.offload import Offload, inline
from logger_lib.pipeline.lifetime import Forked, lock_holders
from logger_lib.pipeline.limits import LINES_LIMITS, Limits
from logger_lib.record import LogRecord, level_of
from logger_lib.refusals import raise_refusals, split_writable

_STDOUT = 1

_to_json = json.JSONEncoder(allow_nan=False).encode


class ConsoleLoggerFactory(BatchedLoggerFactory):
    """Makes loggers that write to a file descriptor: stdout, unless another is given.

    An event is one object, with its ``data``; its deliveries are one object a recipient. All of it
    is ASCII without control characters. A reader that stalls holds up the writing thread alone:
    the buffer fills, then new records are dropped and counted.
    """

    def __init__(
        self, fd: int | None = None, *, offload: Offload = inline, limits: Limits = LINES_LIMITS
    ) -> None:
        super().__init__("console", limits)
        self._sink = _ConsoleSink(_stdout() if fd is None else fd, offload)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:  # noqa: ARG003  the contract's
        """Make the factory; it needs no setting."""
        return cls()

    @property
    def sink(self) -> Sink:
        """The one sink of this destination."""
        return self._sink


class _ConsoleSink(Sink, Forked):
    def __init__(self, fd: int, offload: Offload) -> None:
        self._fd = fd
        self._offload = offload
        self._mid_line = False
        self.forget_parent()
        lock_holders.add(self)

    def forget_parent(self) -> None:
        """Leave the lock to the parent, one of whose threads may be in a write that stalls."""
        # Two loggers may write at once, and a pipe takes long writes in pieces.
        self._turn = threading.Lock()

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Write the batch as lines; a record that is not JSON is left out of it."""
        writable, refusals = split_writable(batch, _text)
        payload = "".join(text for _, text in writable).encode("ascii")
        if payload:
            with self._turn:
                self._offload(lambda: self._put(payload))
        raise_refusals(refusals)

    def _put(self, payload: bytes) -> None:
        if self._mid_line:
            payload = b"\n" + payload
        # Not through sys.stdout: while a stalled reader blocks this thread inside its buffer, any
        # ``print`` of the program would wait for the buffer's lock.
        rest = memoryview(payload)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        finally:
            written = len(payload) - len(rest)
            if written:
                self._mid_line = payload[written - 1 : written] != b"\n"


def _text(record: LogRecord) -> str:
    """Return one line for an event, or one for each recipient."""
    head: dict[str, JsonValue | FailureJson] = {
        "time": record.time.isoformat(),
        "level": level_of(record.level).name.lower(),
        "event": record.event,
        "message": record.message,
        "id": record.id,
        "event_id": record.event_id,
        "app": record.app,
        "rooms": list(record.rooms),
    }
    if record.failure is not None:
        head["failure"] = record.failure.to_json()
    if record.recipients:
        start = f'{_to_json(head).removesuffix("}")}, "recipient": '
        recipients = f"}}\n{start}".join(map(_to_json, record.recipients))
        text = f"{start}{recipients}}}\n"
    else:
        text = _to_json({**head, "data": record.fields}) + "\n"
    # DEL is the one control character that JSON does not ask to be escaped.
    return text.replace("\x7f", "\\u007f")


def _stdout() -> int:
    try:
        return sys.stdout.fileno()
    except (AttributeError, OSError):
        # Replaced by something that is no file, in a notebook for example.
        return _STDOUT
