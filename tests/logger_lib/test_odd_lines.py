"""Lines of records that are not what their annotations say, and of a process that forks."""

import fcntl
import json
import logging
import os
import struct
import termios
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest

from logger_lib import Counters, LogRecord
from logger_lib.destinations.console import ConsoleLoggerFactory
from tests.logger_lib.conftest import record
from tests.logger_lib.written_lines import by_console, by_logging
from tests.services.herald import wait_until

Printer: TypeAlias = Callable[[Sequence[LogRecord]], tuple[str, Counters]]

PIPE_BYTES = 65_536
"""What Linux's pipes hold."""


def waiting_bytes(fd: int) -> int:
    """Return how many bytes a pipe holds that nobody has read."""
    (waiting,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))
    return int(waiting)


@pytest.mark.parametrize("make", [by_logging, by_console])
def test_odd_records_take_no_others_with_them(make: Printer) -> None:
    """What is no record as its annotations say fails alone; a plain number is a level."""
    odd = (
        LogRecord(event=5, message="m"),  # type: ignore[arg-type]  # as programs do
        LogRecord(event="e", message="m", time=1.0),  # type: ignore[arg-type]
    )
    plain = LogRecord(event="e", message="m", level=logging.ERROR)  # type: ignore[arg-type]
    between = LogRecord(event="e", message="m", level=25)  # type: ignore[arg-type]
    text, counters = make([record(), *odd, plain, between, record()])
    assert (counters.taken, counters.written + counters.failed) == (6, 6)
    assert text.count("\n") == counters.written >= 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_amid_a_write_that_stalls() -> None:
    """The child's logger writes, whatever a thread of its parent was about."""
    reading, writing = os.pipe()
    child_reading, child_writing = os.pipe()
    factory = ConsoleLoggerFactory(writing)
    logger = factory.create_logger("test")
    logger.log(record(message="x" * 200_000))
    wait_until(lambda: waiting_bytes(reading) == PIPE_BYTES, "a write that stalls")
    child = os.fork()
    if not child:
        os.dup2(child_writing, writing)
        logger.log(record("child"))
        os._exit(0 if logger.flush(5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(child_writing)
    with os.fdopen(child_reading, "rb") as pipe:
        assert json.loads(pipe.read())["event"] == "child"

    def read_all() -> None:
        with os.fdopen(reading, "rb") as pipe:
            pipe.read()

    reader = threading.Thread(target=read_all)
    reader.start()
    logger.close(10)
    os.close(writing)
    reader.join()
