"""Destinations by name, groups of loggers, and the pinned public names."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import logger_lib
from logger_lib import (
    Logger,
    LoggerGroup,
    LogRecord,
    NotALoggerFactory,
    UnknownDestination,
    load_factory_class,
    make_factories,
)
from logger_lib.destinations.memory import MemoryLoggerFactory
from tests.logger_lib.conftest import record

ROOT = Path(__file__).parents[2]


class Raises(Logger):
    """A third party's logger that breaks the contract."""

    def log(self, record: LogRecord) -> None:
        """Break."""
        raise ValueError(f"log {record.event}")

    def flush(self, timeout: float) -> bool:
        """Break."""
        raise ValueError(f"flush {timeout}")

    def close(self, timeout: float = 1.0) -> None:
        """Break."""
        raise ValueError(f"close {timeout}")


class Slow(Logger):
    """A logger that never gets done, and notes how long it was given."""

    def __init__(self) -> None:
        self.given: list[float] = []

    def log(self, record: LogRecord) -> None:
        """Take nothing."""

    def flush(self, timeout: float) -> bool:
        """Note and give up."""
        self.given.append(timeout)
        return False

    def close(self, timeout: float = 1.0) -> None:
        """Note."""
        self.given.append(timeout)


def test_an_unknown_name_lists_the_known_ones() -> None:
    """A misspelt name is answered with those there are."""
    with pytest.raises(
        UnknownDestination, match=r"'mongo'.*logging, console, mongodb, sentry, sql"
    ):
        load_factory_class("mongo")


def test_a_third_partys_destination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package adds a destination by an entry point; a wrong one is refused by name."""
    metadata = tmp_path / "third_party-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[logger_lib.factories]\nsyslog = third_party:Factory\nwrong = third_party:number\n"
    )
    (tmp_path / "third_party.py").write_text(
        "from logger_lib.destinations.memory import MemoryLoggerFactory\n"
        "class Factory(MemoryLoggerFactory): pass\n"
        "number = 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    [factory] = make_factories(["syslog"], {}).values()
    assert isinstance(factory, MemoryLoggerFactory)
    assert type(factory).__name__ == "Factory"
    with pytest.raises(NotALoggerFactory, match=r"third_party:number"):
        load_factory_class("wrong")
    with pytest.raises(UnknownDestination, match=r"memory, syslog, wrong"):
        load_factory_class("other")


@pytest.mark.parametrize(
    ("name", "package", "blocked"),
    [
        ("mongodb", "pymongo", "bson"),
        ("sentry", "sentry-sdk", "sentry_sdk"),
        ("sql", "SQLAlchemy", "sqlalchemy"),
    ],
)
def test_a_missing_package_is_named(name: str, package: str, blocked: str) -> None:
    """Without its optional package a destination cannot be chosen; the library works."""
    program = (
        "import sys\n"
        f"sys.modules[{blocked!r}] = None\n"
        "import logger_lib\n"
        "assert not {'flask', 'pymongo', 'sqlalchemy', 'sentry_sdk'} & {*sys.modules} - "
        f"{{{blocked!r}}}\n"
        "try:\n"
        f"    logger_lib.load_factory_class({name!r})\n"
        "except logger_lib.DestinationUnavailable as error:\n"
        f"    assert 'needs the package {package}' in str(error)\n"
        "else:\n"
        "    sys.exit('no error')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_another_missing_module_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import error that is none of an optional package's stays what it is."""
    monkeypatch.delitem(sys.modules, "logger_lib.destinations.memory")
    monkeypatch.setitem(sys.modules, "logger_lib.logger", None)
    with pytest.raises(ModuleNotFoundError, match=r"logger_lib\.logger"):
        load_factory_class("memory")


def test_a_member_that_raises(capfd: pytest.CaptureFixture[str]) -> None:
    """It is counted and said once; the other members get every record, and the caller no error."""
    memory = MemoryLoggerFactory()
    group = LoggerGroup({"bad": Raises(), "good": memory.create_logger("test")})
    group.log(record("1"))
    group.log(record("2"))
    assert not group.flush(1)
    group.close()
    assert [each.event for each in memory.records] == ["1", "2"]
    assert group.failed == 2
    assert capfd.readouterr().err.count("Herald logger 'bad' cannot write: ValueError: log") == 1


def test_one_deadline_for_all() -> None:
    """The members of a group share the time of a flush; they do not each get all of it."""
    members = [Slow(), Slow()]
    assert not LoggerGroup({str(number): each for number, each in enumerate(members)}).flush(5)
    for each in members:
        asked, waited = each.given
        assert asked == 0
        assert 0 < waited <= 5


def test_one_deadline_for_closing() -> None:
    """A member that hangs has its share of the time, and leaves the others theirs."""
    factory = MemoryLoggerFactory()

    class Sleeper(Slow):
        def close(self, timeout: float = 1.0) -> None:
            threading.Event().wait(timeout)

    last = Slow()
    group = LoggerGroup({"a": Sleeper(), "b": last, "c": factory.create_logger("test")})
    group.close(0.1)
    assert 0 < last.given[-1] < 0.1


def test_public_names() -> None:
    """What the library offers is what it names, and a change to it is a decision."""
    assert sorted(logger_lib.__all__) == sorted(set(logger_lib.__all__))
    assert all(hasattr(logger_lib, name) for name in logger_lib.__all__)
    assert len(logger_lib.__all__) == 43
