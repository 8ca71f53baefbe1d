"""Loggers bound to registrations of blueprints, in any Flask app."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Blueprint, Flask

from logger_lib import (
    LoggerFactory,
    LogQuery,
    LogRecord,
    NoLoggerBound,
    SettingMissing,
    UnknownDestination,
)
from logger_lib.destinations.memory import MemoryLoggerFactory
from logger_lib.flask import (
    close_loggers,
    current_logger,
    flush_loggers,
    init_app,
    reader,
    register_blueprint,
)

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "other_flask_app.py"


def blueprint() -> Blueprint:
    made = Blueprint("events", __name__)

    @made.post("/log/<event>")
    def log(event: str) -> str:
        current_logger().log(LogRecord(event=event, message="m"))
        return ""

    return made


@pytest.fixture
def factories() -> dict[str, MemoryLoggerFactory]:
    return {name: MemoryLoggerFactory() for name in ("a", "b", "c")}


@pytest.fixture
def app(factories: dict[str, LoggerFactory]) -> Flask:
    made = Flask(__name__)
    init_app(made, factories)
    return made


def events(factory: MemoryLoggerFactory) -> list[str]:
    return [each.event for each in factory.records]


def test_one_blueprint_twice(app: Flask, factories: dict[str, MemoryLoggerFactory]) -> None:
    """The same blueprint under two names logs to two sets of loggers."""
    shared = blueprint()
    register_blueprint(app, shared, loggers=("a", "b"), url_prefix="/one")
    register_blueprint(app, shared, loggers=("b", "c"), name="again", url_prefix="/two")
    client = app.test_client()
    client.post("/one/log/first")
    client.post("/two/log/second")
    assert flush_loggers(app, 5)
    assert [events(factories[name]) for name in "abc"] == [
        ["first"],
        ["first", "second"],
        ["second"],
    ]


def test_nested_blueprints(app: Flask, factories: dict[str, MemoryLoggerFactory]) -> None:
    """A blueprint inside another logs where the outer one was registered to."""
    outer = Blueprint("outer", __name__)
    outer.register_blueprint(blueprint())
    register_blueprint(app, outer, loggers=["a"])
    app.test_client().post("/log/inner")
    assert events(factories["a"]) == ["inner"]


def test_the_logger_of_a_registration(
    app: Flask, factories: dict[str, MemoryLoggerFactory]
) -> None:
    """Registering returns the logger, for code outside requests; a name given twice counts once."""
    logger = register_blueprint(app, blueprint(), loggers=("a", "a"))
    logger.log(LogRecord(event="outside", message="m"))
    assert events(factories["a"]) == ["outside"]
    assert [each.event for each in reader(app, "a").read(LogQuery())] == ["outside"]
    close_loggers(app)
    logger.log(LogRecord(event="late", message="m"))
    assert factories["a"].counters.dropped == 1


def test_unbound(app: Flask) -> None:
    """A blueprint that Flask registered by itself has no logger, and the error says what to do."""
    app.register_blueprint(blueprint())
    app.testing = True
    with pytest.raises(NoLoggerBound, match="'events' has no loggers: register it with"):
        app.test_client().post("/log/x")


@pytest.mark.parametrize(
    ("name", "error"), [("mongdb", UnknownDestination), ("mongodb", SettingMissing)]
)
def test_a_wrong_choice_fails_at_registration(
    app: Flask, name: str, error: type[Exception]
) -> None:
    """A name that nothing answers to, or one without its setting, leaves nothing registered."""
    with pytest.raises(error, match=name):
        register_blueprint(app, blueprint(), loggers=("a", name))
    assert app.blueprints == {}


def test_the_worked_example(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The app in the docs logs its orders to SQL, reads them back, and its trial ones to stdout."""
    create_app: Callable[[str], Flask] = runpy.run_path(str(EXAMPLE))["create_app"]
    app = create_app(f"sqlite:///{tmp_path / 'shop.db'}")
    client = app.test_client()
    assert client.post("/orders", json={"orderId": "42"}).status_code == 201
    assert client.post("/trial/orders", json={"orderId": "43"}).status_code == 201
    assert flush_loggers(app, 10)
    assert client.get("/audit").get_json() == {"orders": [{"orderId": "42"}]}
    output = capfd.readouterr().out
    assert '"orderId": "43"' in output
    assert '"orderId": "42"' not in output
    close_loggers(app)
