"""What every logger promises, whatever its destination."""

import os
import threading

import pytest

from logger_lib import LoggerFactory, LogRecord
from tests.logger_lib.conftest import Place, record


def test_a_record_arrives(place: Place) -> None:
    """What was logged is at the destination once flush has said so."""
    logger = place.factory.create_logger("test")
    logger.log(record("order.created"))
    assert logger.flush(10)
    assert place.arrived() == ["order.created"]
    logger.close()


def test_order_is_kept(place: Place) -> None:
    """Records arrive in the order in which they were logged, over several batches too."""
    logger = place.factory.create_logger("test")
    names = [f"step.{number}" for number in range(700)]
    for name in names:
        logger.log(record(name))
    assert logger.flush(20)
    assert place.arrived() == names
    logger.close()


def test_the_same_record_is_stored_once(readable_place: Place) -> None:
    """A record that is logged again, in the same batch or a later one, is not doubled."""
    logger = readable_place.factory.create_logger("test")
    first, second = record("first"), record("second")
    for each in (first, first, second):
        logger.log(each)
    assert logger.flush(10)
    logger.log(first)
    assert logger.flush(10)
    assert readable_place.arrived() == ["first", "second"]
    assert readable_place.factory.counters.failed == 0
    logger.close()


def test_counters_add_up(place: Place) -> None:
    """Every record that was taken is counted as written, dropped or failed, and only once."""
    logger = place.factory.create_logger("test")
    for _ in range(5):
        logger.log(record())
    assert logger.flush(10)
    logger.close()
    logger.log(record())
    counters = place.factory.counters
    assert (counters.taken, counters.written, counters.dropped, counters.failed) == (6, 5, 1, 0)


def test_close_writes_what_waits(place: Place) -> None:
    """A logger that is closed right after its last record loses nothing, and stays closed."""
    logger = place.factory.create_logger("test")
    logger.log(record("last"))
    logger.close()
    logger.close()
    assert place.arrived() == ["last"]
    assert logger.flush(1)


def test_many_threads_may_log(place: Place) -> None:
    """Records of several threads all arrive, each thread's in its own order."""
    logger = place.factory.create_logger("test")

    def log_some(thread: int) -> None:
        for number in range(50):
            logger.log(record(f"{thread}.{number:02}"))

    threads = [threading.Thread(target=log_some, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logger.flush(20)
    logger.close()
    arrived = place.arrived()
    assert len(arrived) == 200
    # Ids are made by the threads themselves, so readers sort what was made at once by chance.
    assert sorted(arrived) == sorted(f"{t}.{n:02}" for t in range(4) for n in range(50))


def test_loggers_of_one_factory_share_the_destination(place: Place) -> None:
    """Two loggers write to the same place, and closing one leaves the other open."""
    one, other = place.factory.create_logger("one"), place.factory.create_logger("other")
    one.log(record("one"))
    one.close()
    other.log(record("other"))
    other.close()
    assert place.arrived() == ["one", "other"]


def test_prepare_may_be_repeated(place: Place) -> None:
    """Preparing a destination twice is as good as once."""
    place.factory.prepare()
    place.factory.prepare()


def test_a_destination_that_fails(
    broken_factory: LoggerFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its records count as failed, stderr says so once, flush says no, and ``log`` never raises."""
    logger = broken_factory.create_logger("test")
    for _ in range(3):
        logger.log(record())
        assert not logger.flush(10)
    logger.close()
    assert broken_factory.counters.failed == 3
    assert broken_factory.counters.written == 0
    complaint = capfd.readouterr().err
    assert complaint.startswith("Herald logger '")
    assert "cannot write" in complaint
    assert complaint.count("this is said once") == 1


# The others keep no shared place, or their clients are not made to be carried through a fork.
@pytest.mark.parametrize("place", ["console", "sqlite", "mariadb", "postgresql"], indirect=True)
@pytest.mark.filterwarnings(
    # Python warns from 3.12 on, eventlet wherever it is imported: this test is about that fork.
    "ignore:This process.*is multi-threaded:DeprecationWarning",
    r"ignore:Using fork\(\) is a bad idea:DeprecationWarning",
)
def test_a_forked_child_logs_too(place: Place) -> None:
    """After a fork the child writes its own records, and what waits in the parent only once."""
    logger = place.factory.create_logger("test")
    logger.log(record("parent"))
    assert logger.flush(10)
    child = os.fork()
    if child == 0:
        logger.log(record("child"))
        os._exit(0 if logger.flush(10) and place.factory.counters.written == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    logger.log(record("parent again"))
    logger.close()
    assert place.arrived() == ["parent", "child", "parent again"]


def test_recipients_are_not_counted_as_records(place: Place) -> None:
    """One record of many deliveries is one record to the counters."""
    logger = place.factory.create_logger("test")
    sids = tuple(f"sid{number}" for number in range(1000))
    logger.log(LogRecord(event="sent", message="event sent to", recipients=sids))
    logger.close()
    assert place.factory.counters.written == 1
    assert set(place.arrived()) == {"sent"}
