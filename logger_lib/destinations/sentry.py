"""The ``sentry`` destination: structured logs, and an issue for errors alone.

Sentry is where a team is alerted, never the record: it drops what comes faster than it takes.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

import sentry_sdk
import sentry_sdk.logger as sentry_logs
from sentry_sdk.scope import use_isolation_scope, use_scope
from sentry_sdk.transport import HttpTransport

from logger_lib.batching import BatchedLoggerFactory, Sink
from logger_lib.errors import SettingMissing
from logger_lib.failure import Failure
from logger_lib.json_value import JsonObject, JsonValue
from logger_lib.pipeline.limits import Limits
from logger_lib.record import Level, LogRecord, level_of
from logger_lib.refusals import raise_refusals, split_writable

if TYPE_CHECKING:
    from sentry_sdk._types import Event, EventDataCategory, Hint, Log
    from sentry_sdk.envelope import Item

Attributes: TypeAlias = dict[str, str | int]

# The SDK gathers at most 1,000 logs and sends 100 in a piece; a second makes pieces worth sending.
# One more try: what is sent twice alerts twice, what is not sent does not at all.
SENTRY_LIMITS = Limits(max_batch=100, max_delay=1.0, attempts=2)
_SEND_TIMEOUT = 5.0
_OWN = "herald."


class _Speak(Protocol):
    def __call__(self, body: str, /, *, attributes: Attributes) -> None: ...


_SPEAK: dict[Level, _Speak] = {
    Level.DEBUG: sentry_logs.debug,
    Level.INFO: sentry_logs.info,
    Level.WARNING: sentry_logs.warning,
    Level.ERROR: sentry_logs.error,
    Level.CRITICAL: sentry_logs.fatal,
}


class SentryLoggerFactory(BatchedLoggerFactory):
    """Makes loggers that send through a Sentry client of their own.

    The program's own ``sentry_sdk.init`` is neither used nor changed. By default no data of an
    event leaves: only names, ids and numbers and, of an exception, its type and where it was
    raised. ``send_fields`` adds the data, the rooms, the recipients and the message.
    """

    def __init__(
        self,
        dsn: str,
        *,
        environment: str | None = None,
        send_fields: bool = False,
        limits: Limits = SENTRY_LIMITS,
    ) -> None:
        super().__init__("sentry", limits)
        self._client = _make_client(dsn, environment)
        self._sink = _SentrySink(self._client, send_fields)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> Self:
        """Send to ``SENTRY_DSN``, as of ``SENTRY_ENVIRONMENT`` where that is set."""
        dsn = settings.get("SENTRY_DSN")
        if not dsn:
            raise SettingMissing("sentry", "SENTRY_DSN")
        return cls(dsn, environment=settings.get("SENTRY_ENVIRONMENT") or None)

    @property
    def sink(self) -> Sink:
        """The one sink of this destination."""
        return self._sink

    def close(self) -> None:
        """End the client and its threads."""
        self._client.close(timeout=_SEND_TIMEOUT)


class _CountingTransport(HttpTransport):
    """The SDK's transport, which swallows every failure, made to remember that there was one."""

    losses = 0

    def settles_within(self, seconds: float) -> bool:
        """Say whether all that was handed over before is sent or lost, after so long at most."""
        settled = threading.Event()
        # What is submitted is done by one thread, in order.
        return self._worker.submit(settled.set) and settled.wait(max(0.0, seconds))

    def on_dropped_event(self, loss_reason: str) -> None:
        self.losses += 1
        super().on_dropped_event(loss_reason)

    def record_lost_event(
        self,
        reason: str,
        data_category: EventDataCategory | None = None,
        item: Item | None = None,
        *,
        quantity: int = 1,
    ) -> None:
        self.losses += 1
        super().record_lost_event(reason, data_category, item, quantity=quantity)


class _SentrySink(Sink):
    def __init__(self, client: sentry_sdk.Client, send_fields: bool) -> None:
        self._client = client
        self._send_fields = send_fields

    def write(self, batch: Sequence[LogRecord]) -> None:
        """Send the batch and wait for it, so that what waits does so in our counted buffer."""
        deadline = time.monotonic() + _SEND_TIMEOUT
        # What is left of a batch that took too long has failed already.
        before = self._losses_by(deadline)
        # Scopes of our own: those of the program may hold its users.
        with use_isolation_scope(sentry_sdk.Scope(client=self._client)) as scope, use_scope(scope):
            scope.set_attribute("sentry.environment", self._client.options["environment"])
            writable, refusals = split_writable(batch, self._encoded)
            for record, (body, attributes) in writable:
                _send(record, body, attributes, scope)
        self._client.flush(timeout=_SEND_TIMEOUT)
        if self._losses_by(deadline) != before:
            raise ConnectionError("Sentry did not take all of a batch")
        raise_refusals(refusals)

    def _losses_by(self, deadline: float) -> int:
        """Return how much was lost, once all that was handed over is sent or lost."""
        transport = self._client.transport
        if not isinstance(transport, _CountingTransport):
            return 0
        # The SDK's own flush gives up without a word.
        if not transport.settles_within(deadline - time.monotonic()):
            raise TimeoutError(f"Sentry did not take a batch within {_SEND_TIMEOUT:g} s")
        return transport.losses

    def _encoded(self, record: LogRecord) -> tuple[str, Attributes]:
        return _body(record, self._send_fields), _attributes(record, self._send_fields)


def _send(record: LogRecord, body: str, attributes: Attributes, scope: sentry_sdk.Scope) -> None:
    level = level_of(record.level)
    _SPEAK[level](body, attributes=attributes)
    if level >= Level.ERROR:
        scope.capture_event(_event(record, body, attributes))


def _event(record: LogRecord, body: str, attributes: Attributes) -> Event:
    event: Event = {
        "level": "fatal" if record.level >= Level.CRITICAL else "error",
        "logger": "herald",
        "message": body,
        "timestamp": record.time,
        # Issues are one an event name and type of exception, however often it fails.
        "fingerprint": ["herald", record.event],
        "contexts": {"herald": {**attributes}},
    }
    if record.failure is not None:
        event["fingerprint"] = ["herald", record.event, record.failure.type]
        event["exception"] = {"values": [_exception(record.failure)]}
    return event


def _exception(failure: Failure) -> JsonObject:
    frames: list[JsonValue] = [
        {"filename": frame.file, "lineno": frame.line, "function": frame.function}
        for frame in failure.frames
    ]
    return {"type": failure.type, "stacktrace": {"frames": frames}}


def _body(record: LogRecord, send_fields: bool) -> str:
    if send_fields:
        return f"[{record.event}] {record.message}"
    if record.recipients:
        return f"[{record.event}] event sent to {len(record.recipients)} recipients"
    return f"[{record.event}]"


def _attributes(record: LogRecord, send_fields: bool) -> Attributes:
    attributes: Attributes = {
        f"{_OWN}id": record.id,
        f"{_OWN}event": record.event,
        f"{_OWN}time": record.time.isoformat(),
        f"{_OWN}recipients": len(record.recipients),
    }
    if record.event_id is not None:
        attributes[f"{_OWN}event_id"] = record.event_id
    if record.app is not None:
        attributes[f"{_OWN}app"] = record.app
    if send_fields:
        attributes[f"{_OWN}data"] = json.dumps(record.fields)
        attributes[f"{_OWN}rooms"] = ", ".join(record.rooms)
        attributes[f"{_OWN}sent_to"] = ", ".join(record.recipients)
    return attributes


def _make_client(dsn: str, environment: str | None) -> sentry_sdk.Client:
    return sentry_sdk.Client(
        dsn=dsn,
        environment=environment,
        transport=_CountingTransport,
        enable_logs=True,
        before_send=_without_the_programs,
        before_send_log=_only_our_attributes,
        # What follows keeps the program and its users out of what is sent. (send_default_pii is
        # off by default, and deprecated: to name it warns.)
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        shutdown_timeout=0,
    )


def _only_our_attributes(log: Log, _hint: Hint) -> Log:
    """Leave out what the SDK adds from the program's global scope: its user, its tags."""
    log["attributes"] = {
        key: value for key, value in log["attributes"].items() if key.startswith((_OWN, "sentry."))
    }
    return log


def _without_the_programs(event: Event, _hint: Hint) -> Event:
    event.pop("user", None)
    event.pop("request", None)
    event.pop("breadcrumbs", None)
    event.pop("extra", None)
    event.pop("tags", None)
    return event
