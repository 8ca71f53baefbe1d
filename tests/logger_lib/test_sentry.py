"""What leaves for Sentry, read from the envelopes that the SDK really sends."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sentry_sdk

from logger_lib import Failure, JsonObject, Level, LogRecord, delivery_record, event_record
from logger_lib.destinations.sentry import SENTRY_LIMITS, SentryLoggerFactory
from tests.services.sentry_receiver import SentryReceiver

NOON = datetime(2026, 5, 25, 12, tzinfo=UTC)
DATA: JsonObject = {"orderId": "cfa3f520", "email": "john.doe@x.com"}
RECORDS = (
    event_record("order.created", DATA, event_id="e1", time=NOON, app="shop", rooms=("room-9d28",)),
    delivery_record("order.created", ("82c0", "7ac9"), event_id="e1", time=NOON, app="shop"),
    LogRecord(event="delivery.failed", message="orderId: cfa3f520", level=Level.ERROR),
    LogRecord(event="disk.full", message="no space", level=Level.CRITICAL),
)


def send(receiver: SentryReceiver, *, send_fields: bool = False) -> None:
    factory = SentryLoggerFactory(receiver.dsn, environment="test", send_fields=send_fields)
    logger = factory.create_logger("test")
    for each in RECORDS:
        logger.log(each)
    assert logger.flush(10)
    logger.close()
    factory.close()


def test_records_are_structured_logs_and_errors_are_events(sentry: SentryReceiver) -> None:
    """Every record is a log; only errors become events, grouped by event name."""
    send(sentry)
    assert [log["level"] for log in sentry.logs] == ["info", "info", "error", "fatal"]
    assert [event["fingerprint"] for event in sentry.events] == [
        ["herald", "delivery.failed"],
        ["herald", "disk.full"],
    ]
    assert [event["level"] for event in sentry.events] == ["error", "fatal"]
    attributes = sentry.logs[1]["attributes"]
    assert isinstance(attributes, dict)
    assert attributes["herald.event"] == "order.created"
    assert attributes["herald.event_id"] == "e1"
    assert attributes["herald.app"] == "shop"
    assert attributes["herald.recipients"] == 2
    assert attributes["sentry.environment"] == "test"


def test_no_personal_data_by_default(sentry: SentryReceiver) -> None:
    """No value of the data, no room, no socket and nothing of the host program is sent."""
    scope = sentry_sdk.get_global_scope()
    scope.set_user({"id": "host-user", "email": "host@x.com"})
    scope.set_tag("host-tag", "host-value")
    scope.add_breadcrumb(message="host-crumb")
    try:
        send(sentry)
    finally:
        scope.clear()
    sent = b"".join(sentry.raw)
    for private in (b"cfa3f520", b"john.doe", b"room-9d28", b"82c0", b"7ac9", b"host-", b"host@"):
        assert private not in sent


def test_fields_are_sent_when_asked_for(sentry: SentryReceiver) -> None:
    """With ``send_fields`` the data, rooms and recipients go along."""
    send(sentry, send_fields=True)
    sent = b"".join(sentry.raw)
    for wanted in (b"cfa3f520", b"john.doe", b"room-9d28", b"82c0, 7ac9"):
        assert wanted in sent


def test_the_programs_own_sentry_is_left_alone(sentry: SentryReceiver) -> None:
    """The factory neither uses nor replaces the client of the host program."""
    host = sentry_sdk.Client(default_integrations=False)
    scope = sentry_sdk.get_global_scope()
    scope.set_client(host)
    try:
        send(sentry)
        assert sentry_sdk.get_client() is host
    finally:
        scope.set_client(None)


def test_settings_choose_dsn_and_environment(sentry: SentryReceiver) -> None:
    """``SENTRY_DSN`` is where records go, ``SENTRY_ENVIRONMENT`` how they are marked."""
    settings = {"SENTRY_DSN": sentry.dsn, "SENTRY_ENVIRONMENT": "staging"}
    factory = SentryLoggerFactory.from_settings(settings)
    logger = factory.create_logger("test")
    logger.log(RECORDS[0])
    assert logger.flush(10)
    logger.close()
    factory.close()
    attributes = sentry.logs[0]["attributes"]
    assert isinstance(attributes, dict)
    assert attributes["sentry.environment"] == "staging"


def test_losses_of_the_sdk_are_counted(
    sentry: SentryReceiver, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where Sentry refuses for its quota, which the SDK swallows, the records count as failed."""
    sentry.status = 429
    factory = SentryLoggerFactory(sentry.dsn)
    logger = factory.create_logger("test")
    for _ in range(2):
        logger.log(RECORDS[0])
        assert not logger.flush(10)
    logger.close()
    factory.close()
    assert (factory.counters.written, factory.counters.failed) == (0, 2)
    assert "Sentry did not take all of a batch" in capfd.readouterr().err


def test_a_sentry_that_hangs(
    sentry: SentryReceiver,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it takes and does not answer is not counted as written, and flush says no."""
    monkeypatch.setattr("logger_lib.destinations.sentry._SEND_TIMEOUT", 0.5)
    sentry.goes_on.clear()
    factory = SentryLoggerFactory(sentry.dsn, limits=replace(SENTRY_LIMITS, attempts=1))
    logger = factory.create_logger("test")
    logger.log(RECORDS[0])
    assert not logger.flush(10)
    assert (factory.counters.written, factory.counters.failed) == (0, 1)
    assert not sentry.logs
    sentry.goes_on.set()
    logger.log(RECORDS[1])
    logger.flush(10)
    logger.close()
    factory.close()
    assert (factory.counters.written, factory.counters.failed) == (1, 1)
    assert len(sentry.logs) == 2
    assert "Sentry did not take a batch within 0.5 s" in capfd.readouterr().err


def test_an_exception_is_told_without_its_text(sentry: SentryReceiver) -> None:
    """Sentry learns the type and the frames, the innermost last, and groups by the type."""

    def fail(secret: str) -> None:
        raise KeyError(f"no order {secret}")

    try:
        fail("john.doe@x.com")
    except KeyError as error:
        failure = Failure.of(error)
    factory = SentryLoggerFactory(sentry.dsn)
    logger = factory.create_logger("test")
    logger.log(LogRecord(event="e", message="KeyError: …", level=Level.ERROR, failure=failure))
    assert logger.flush(10)
    logger.close()
    factory.close()
    (event,) = sentry.events
    assert event["fingerprint"] == ["herald", "e", "KeyError"]
    sent = json.dumps(event["exception"])
    assert '"type": "KeyError"' in sent
    assert '"filename": "tests/logger_lib/test_sentry.py"' in sent
    outer, inner = (frame.function.rpartition(".")[2] for frame in failure.frames)
    assert (outer, inner) == ("test_an_exception_is_told_without_its_text", "fail")
    assert sent.index(f'"{failure.frames[0].function}"') < sent.index(
        f'"{failure.frames[1].function}"'
    )
    assert b"john.doe" not in b"".join(sentry.raw)
