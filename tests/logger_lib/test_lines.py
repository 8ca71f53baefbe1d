"""The text of the ``logging`` and ``console`` destinations: nothing in it can be forged."""

import io
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logger_lib import Failure, Frame, Level, LogRecord, delivery_record, escape, event_record
from logger_lib.destinations.console import ConsoleLoggerFactory
from logger_lib.destinations.logging import LinesHandler, LoggingLoggerFactory, SeedLines
from tests.logger_lib.conftest import StreamThatFails, full_disk, record
from tests.logger_lib.written_lines import by_console, by_logging

Result = TypeVar("Result")

NOON = datetime(2026, 5, 25, 12, 0, 0, 123456, tzinfo=UTC)
LINE = re.compile(
    r"\[Herald\] \d+ - \d\d/\d\d/\d{4}, (?:[1-9]|1[0-2]):\d\d:\d\d [AP]M "
    r"(?:[A-Z]+)? ?\[.*\] .* \+\d+ms"
)
CONTROLS = "".join(
    map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x61C, 0x200E, 0x200F])
) + "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xD800, 0xDFFF]))
texts = st.text(st.one_of(st.characters(), st.sampled_from(CONTROLS)))


@pytest.fixture(autouse=True)
def herald_logger() -> Iterator[logging.Logger]:
    """The standard logger as a fresh process has it."""
    logger = logging.getLogger("Herald")
    yield logger
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def logged(*records: LogRecord) -> list[str]:
    text, counters = by_logging(records)
    assert counters.written == len(records)
    return text.split("\n")[:-1]


def printed(*records: LogRecord) -> bytes:
    text, _ = by_console(records)
    return text.encode("ascii")


def test_the_seeds_lines() -> None:
    """An event and its deliveries print as the seed says: the identifier, then each recipient."""
    data = {"orderId": "cfa3f520", "paymentId": "9b933a6d"}
    event = event_record("order.paid", {**data}, event_id="e", time=NOON)
    sent = delivery_record("order.paid", ("82c0fb8b", "7ac982c2"), event_id="e", time=NOON)
    lines = logged(event, sent)
    assert all(LINE.fullmatch(line) for line in lines)
    assert f"[Herald] {os.getpid()} - " in lines[0]
    assert [line.split("M  ")[1].rsplit(" ", 1)[0] for line in lines] == [
        "[order.paid] paymentId: 9b933a6d",
        "[order.paid] event sent to: 82c0fb8b",
        "[order.paid] event sent to: 7ac982c2",
    ]


def test_time_is_local_and_the_events_own() -> None:
    """The time printed is when the record was made, on the host's clock, without a padded hour."""
    local = NOON.astimezone()
    [line] = logged(LogRecord(event="e", message="m", time=NOON))
    half = "AM" if local.hour < 12 else "PM"
    assert f" - {local:%m/%d/%Y}, {local.hour % 12 or 12}:{local:%M:%S} {half}  [e] m" in line


@pytest.mark.parametrize(
    ("hour", "face"), [(0, "12:05:00 AM"), (9, "9:05:00 AM"), (21, "9:05:00 PM")]
)
def test_the_clock_face(hour: int, face: str) -> None:
    """Midnight is 12 AM, nine is not 09, and the evening is PM."""
    at = datetime(2026, 5, 25, hour, 5).astimezone()
    assert f", {face} " in logged(LogRecord(event="e", message="m", time=at))[0]


def test_levels_are_named_unless_info() -> None:
    """A level other than info stands between the time and the event's name."""
    error, info = logged(
        LogRecord(event="e", message="m", level=Level.ERROR), LogRecord(event="e", message="m")
    )
    assert "M ERROR [e] m" in error
    assert "M  [e] m" in info


def test_milliseconds_since_the_line_before() -> None:
    """A line says the time since the one before; the deliveries of one event are one moment."""
    ticks = iter([10.0, 10.004, 12.5])
    lines = SeedLines("Herald", clock=lambda: next(ticks))
    sent = delivery_record("e", ("s1", "s2", "s3"), event_id="i", time=NOON)
    printed_lines = [
        *lines.line(NOON.timestamp(), "INFO", "m").splitlines(),
        *"".join(lines.lines(sent)).splitlines(),
        *lines.lines(record()),
    ]
    ends = [line.split()[-1] for line in printed_lines]
    assert ends == ["+0ms", "+4ms", "+0ms", "+0ms", "+2496ms"]


def test_the_programs_own_handlers(caplog: pytest.LogCaptureFixture) -> None:
    """Without a stream the program's handlers get one readable standard record for each record."""
    caplog.set_level(logging.INFO, "Herald")
    logger = LoggingLoggerFactory().create_logger("test")
    logger.log(LogRecord(event="order.created", message="orderId: 1", time=NOON))
    logger.log(LogRecord(event="debug", message="not asked for", level=Level.DEBUG))
    logger.log(delivery_record("order.created", ("s1", "s\n2"), event_id="e", time=NOON))
    logger.close()
    assert caplog.messages == [
        "[order.created] orderId: 1",
        "[order.created] event sent to: s1, s\\x0a2",
    ]
    assert caplog.records[0].created == NOON.timestamp()


def test_what_others_log_there() -> None:
    """A line that the program logs to the same logger by itself has the same form, at once."""
    stream = io.StringIO()
    LoggingLoggerFactory(stream=stream)
    logging.getLogger("Herald").warning("disk %s\n", "full")
    assert "M WARNING disk full\\x0a +0ms\n" in stream.getvalue()


def test_what_others_log_to_a_full_disk(capfd: pytest.CaptureFixture[str]) -> None:
    """A program's own line that cannot be written is reported the way ``logging`` does."""
    LoggingLoggerFactory(stream=StreamThatFails())
    logging.getLogger("Herald").warning("lost")
    assert "No space left on device" in capfd.readouterr().err


def test_stderr_where_nothing_is_configured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With no handler anywhere the lines go to stderr."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logger = LoggingLoggerFactory().create_logger("test")
    logger.log(record())
    logger.close()
    assert "M  [order.created] orderId: 1 +0ms\n" in capsys.readouterr().err


def test_the_factory_made_last_decides(herald_logger: logging.Logger) -> None:
    """A second factory does not double the lines."""
    assert len(logged(record())) == 1
    assert len(logged(record())) == 1
    assert [type(handler) for handler in herald_logger.handlers] == [LinesHandler]


def test_console_objects() -> None:
    """An event is one JSON object with its data; its deliveries are one object a recipient."""
    event = event_record("order.created", {"orderId": "1"}, event_id="e", time=NOON, rooms=("r",))
    sent = delivery_record("order.created", ("s1", "s2"), event_id="e", time=NOON, app="shop")
    first, *deliveries = map(json.loads, printed(event, sent).splitlines())
    assert first == {
        "time": "2026-05-25T12:00:00.123456+00:00",
        "level": "info",
        "event": "order.created",
        "message": "orderId: 1",
        "id": event.id,
        "event_id": "e",
        "app": None,
        "rooms": ["r"],
        "data": {"orderId": "1"},
    }
    assert [each["recipient"] for each in deliveries] == ["s1", "s2"]
    assert {(each["event"], each["event_id"], each["app"]) for each in deliveries} == {
        ("order.created", "e", "shop")
    }


def test_console_refuses_what_is_not_json(capfd: pytest.CaptureFixture[str]) -> None:
    """A value that JSON has no word for is counted as failed; its neighbours are printed."""
    reading, writing = os.pipe()
    factory = ConsoleLoggerFactory(writing)
    logger = factory.create_logger("test")
    logger.log(LogRecord(event="nan", message="m", fields={"n": float("nan")}))
    logger.log(record("kept"))
    logger.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert [json.loads(line)["event"] for line in pipe] == ["kept"]
    assert (factory.counters.written, factory.counters.failed) == (1, 1)
    assert "it cannot be encoded: Out of range float" in capfd.readouterr().err


def test_a_stalled_reader_hurts_no_caller() -> None:
    """While nobody reads stdout ``log`` returns, the buffer fills, and new records are dropped."""
    reading, writing = os.pipe()
    factory = ConsoleLoggerFactory(writing)
    logger = factory.create_logger("test")
    large = "x" * 100_000
    for _ in range(1000):
        logger.log(record(message=large))
    assert not logger.flush(0.01)
    # At most one batch is in the writer and one fills the buffer: 2 x 335 of these records.
    assert factory.counters.dropped > 300

    def read_all() -> None:
        with os.fdopen(reading, "rb") as pipe:
            pipe.read()

    reader = threading.Thread(target=read_all)
    reader.start()
    logger.close(20)
    os.close(writing)
    reader.join()
    counters = factory.counters
    assert counters.written + counters.dropped == counters.taken == 1000


def test_a_torn_line_is_ended() -> None:
    """After a write that failed in the middle of a line the next batch starts on a new line."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    factory = ConsoleLoggerFactory(writing)
    logger = factory.create_logger("test")
    logger.log(record(message="x" * 200_000))
    assert not logger.flush(10)
    assert factory.counters.failed == 1
    torn = os.read(reading, 1 << 20)
    logger.log(record("whole"))
    logger.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        rest = pipe.read()
    assert not torn.endswith(b"\n")
    assert json.loads(rest.removeprefix(b"\n"))["event"] == "whole"
    assert rest.startswith(b"\n")


def test_a_torn_line_is_ended_after_further_failures() -> None:
    """Also where the writes after the one that tore it fail at once."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    factory = ConsoleLoggerFactory(writing)
    logger = factory.create_logger("test")
    logger.log(record(message="x" * 200_000))
    assert not logger.flush(10)
    logger.log(record("lost"))
    assert not logger.flush(10)
    assert factory.counters.failed == 2
    os.read(reading, 1 << 20)
    logger.log(record("whole"))
    logger.flush(10)
    logger.log(record("next"))
    logger.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        end_of_torn, *lines = pipe.read().splitlines()
    assert end_of_torn == b""
    assert [json.loads(line)["event"] for line in lines] == ["whole", "next"]


def test_blocking_writes_go_through_the_offload() -> None:
    """The console and logging destinations write where the program tells them to."""
    calls: list[str] = []

    def offload(call: Callable[[], Result], /) -> Result:
        calls.append(threading.current_thread().name)
        return call()

    with full_disk() as fd:
        console = ConsoleLoggerFactory(fd, offload=offload).create_logger("a")
        lines = LoggingLoggerFactory(stream=io.StringIO(), offload=offload).create_logger("b")
        for logger in (console, lines):
            logger.log(record())
            logger.close()
    assert calls == ["herald-console-a", "herald-logging-b"]


def test_stdout_that_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``sys.stdout`` was replaced the console destination writes to descriptor 1."""
    monkeypatch.setattr("sys.stdout", io.StringIO())
    ConsoleLoggerFactory().create_logger("test").close()


@settings(max_examples=50)
@given(event=texts, message=texts, recipients=st.lists(texts, max_size=3))
def test_no_text_forges_a_line(event: str, message: str, recipients: list[str]) -> None:
    """Whatever a client sends: as many lines as records say, each in the form, and no controls."""
    entry = LogRecord(event=event, message=message, recipients=tuple(recipients), time=NOON)
    lines = logged(entry)
    assert len(lines) == max(1, len(recipients))
    assert all(LINE.fullmatch(line) for line in lines)
    assert not set("".join(lines)) & set(CONTROLS)


@settings(max_examples=50)
@given(event=texts, value=texts, recipients=st.lists(texts, max_size=3))
def test_no_text_forges_an_object(event: str, value: str, recipients: list[str]) -> None:
    """Whatever a client sends: one object a line, pure ASCII, no controls, and its exact value."""
    entry = LogRecord(
        event=event, message="m", fields={"value": value}, recipients=tuple(recipients), time=NOON
    )
    output = printed(entry)
    assert re.fullmatch(rb"(?:[\x20-\x7e]+\n)+", output)
    objects = [json.loads(line) for line in output.splitlines()]
    assert [each["event"] for each in objects] == [event] * max(1, len(recipients))
    if recipients:
        assert [each["recipient"] for each in objects] == recipients
    else:
        assert objects[0]["data"] == {"value": value}


@given(texts)
def test_escaping(text: str) -> None:
    """Escaped text has no control characters, can be encoded, and clean text stays as it is."""
    escaped = escape(text)
    assert not set(escaped) & set(CONTROLS)
    escaped.encode()
    assert escape(escaped) == escaped
    if not set(text) & set(CONTROLS):
        assert escaped == text or re.search("[\ud800-\udfff]", text)


def test_many_recipients_are_as_many_lines() -> None:
    """Deliveries that fill several pieces of text come out in order, the unclean ones escaped."""
    sids = [f"sid{number}" for number in range(5000)]
    sids[3000] = "a\nb"
    lines = logged(LogRecord(event="e", message="m", recipients=tuple(sids), time=NOON))
    sids[3000] = "a\\x0ab"
    assert [line.split()[-2] for line in lines] == sids
    assert all(LINE.fullmatch(line) for line in lines)


def test_only_the_writing_is_offloaded() -> None:
    """The text is made where the batch is taken, so that the thread outside has nothing to compute.

    What is offloaded uses nothing of the standard logging.
    """
    inside = [False]
    seen: list[tuple[str, bool]] = []

    class Stream(io.StringIO):
        def write(self, text: str, /) -> int:
            seen.append(("write", inside[0]))
            return super().write(text)

    def clock() -> float:
        seen.append(("make", inside[0]))
        return 0.0

    def offload(call: Callable[[], Result], /) -> Result:
        inside[0] = True
        # The handler's lock is held by this thread: another one that wanted it would hang.
        with ThreadPoolExecutor(1) as pool:
            result = pool.submit(call).result(10)
        inside[0] = False
        return result

    stream = Stream()
    handler = LinesHandler(stream, SeedLines("Herald", clock), offload)
    handler.write_batch([record(), record()])
    assert seen == [("make", False), ("make", False), ("write", True)]
    assert len(stream.getvalue().splitlines()) == 2


def test_own_lines_and_the_programs_do_not_mix() -> None:
    """Batches and lines that the program logs by itself, from many threads, stay whole lines."""
    stream = io.StringIO()
    factory = LoggingLoggerFactory(stream=stream)
    loggers = [factory.create_logger(str(number)) for number in range(2)]

    def work(number: int) -> None:
        for _ in range(200):
            loggers[number % 2].log(record())
            logging.getLogger("Herald").info("[own] line")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for logger in loggers:
        logger.close(10)
    lines = stream.getvalue().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert len(lines) == 4 * 200 * 2


def test_console_names_where_a_program_failed() -> None:
    """A record about an exception prints its type and frames."""
    failure = Failure("KeyError", (Frame("shop/orders.py", 7, "pay"),))
    [line] = printed(LogRecord(event="e", message="m", failure=failure)).splitlines()
    assert json.loads(line)["failure"] == failure.to_json()
