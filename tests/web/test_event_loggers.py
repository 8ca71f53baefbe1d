"""``EVENT_LOGGERS`` on running servers: what is published arrives where the operator chose."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pymongo import MongoClient
from sqlalchemy import make_url

from logger_lib import JsonObject, LogQuery
from tests.services.databases import temporary_mariadb, temporary_postgresql
from tests.services.herald import HeraldServer, free_port, wait_until
from tests.services.mongodb import MongoService
from tests.services.sentry_receiver import SentryReceiver
from tests.services.socket_client import SocketClient
from tests.web.conftest import App, new_app, object_in, stored_log

if TYPE_CHECKING:
    from logger_lib.destinations.mongodb_documents import Document

SECRET = "a secret that is long enough for the tests"
PASSWORD = "passw0rd-of-the-database"
HOSTILE: JsonObject = {
    "hostileId": "1\n{}\x1b[31m\x7f\x9b\u2028\u202e",
    "$set": {"a.b": [{"$where": None}]},
    "a.b.c": 2**63 - 1,
    "": "empty",
}
BEEP = """
import json
from logger_lib import Logger, LoggerFactory

class BeepLogger(Logger):
    def __init__(self, path, name):
        self.path, self.name = path, name
    def log(self, record):
        with open(self.path, "a") as file:
            file.write(f"{self.name} {record.event} {json.dumps(record.fields)}\\n")
    def flush(self, timeout):
        return True
    def close(self, timeout=1.0):
        pass

class BeepLoggerFactory(LoggerFactory):
    def __init__(self, path):
        super().__init__()
        self.path = path
    @classmethod
    def from_settings(cls, settings):
        return cls(settings["BEEP_FILE"])
    def create_logger(self, name):
        if name == "server":
            return RaisingLogger()
        return BeepLogger(self.path, name)

class RaisingLogger(BeepLogger):
    def __init__(self):
        super().__init__("", "")
    def log(self, record):
        raise RuntimeError("beep is broken")
"""


@pytest.fixture(scope="module")
def mongo() -> Iterator[MongoService]:
    with MongoService() as service:
        yield service


@pytest.fixture(scope="module")
def on_mongo(
    mongo: MongoService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HeraldServer]:
    """A server that logs to stdout and to MongoDB, and to no other place."""
    environ = {"EVENT_LOGGERS": "console,mongodb", "MONGO_URI": mongo.uri}
    with HeraldServer(tmp_path_factory.mktemp("on_mongo"), environ) as server:
        yield server


def console_objects(server: HeraldServer) -> list[JsonObject]:
    return [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]


def test_console(on_mongo: HeraldServer) -> None:
    """Standard output gets one JSON object a line, one for the event and one for each recipient."""
    app = new_app(on_mongo)
    with app.connect("a") as one, app.connect("a") as two:
        answer = app.publish("order.paid", HOSTILE, room="a")
        sids = {one.sid, two.sid}
    on_mongo.wait_for_log(f'"recipient": "{max(sids)}"')
    on_mongo.wait_for_log(f'"recipient": "{min(sids)}"')
    event, *deliveries = [
        line for line in console_objects(on_mongo) if line["event_id"] == answer["id"]
    ]
    assert event["data"] == HOSTILE
    assert (event["event"], event["rooms"], event["level"]) == ("order.paid", ["a"], "info")
    assert {delivery["recipient"] for delivery in deliveries} == sids
    assert len(deliveries) == 2
    assert on_mongo.log_text().isascii()
    assert not set(on_mongo.log_text()) & {"\x1b", "\x7f", "\r", "\0"}
    assert "M  [order.paid]" not in on_mongo.log_text(), "no line of the logging logger"


def test_mongodb(on_mongo: HeraldServer, mongo: MongoService) -> None:
    """MongoDB gets the event with its keys as they came, and its deliveries, with indexes."""
    app = new_app(on_mongo)
    with app.connect() as client:
        answer = app.publish("order.paid", HOSTILE, room="Zürich", rooms=["$all"])
        broadcast = app.publish("to.all", {})
        sid = client.sid
    mongo_client: MongoClient[Document] = MongoClient(mongo.uri)
    with mongo_client:
        log = mongo_client[mongo.database]["event_log"]
        wait_until(lambda: log.count_documents({"event_id": broadcast["id"]}) == 2, "deliveries")
        (event,) = log.find({"event_id": answer["id"]})
        _, delivery = log.find({"event_id": broadcast["id"]}).sort("_id", 1)
        indexes = log.index_information()
    assert event["fields"] == HOSTILE
    assert list(event["fields"]) == list(HOSTILE)
    assert event["rooms"] == ["Zürich", "$all"]
    assert delivery["recipients"] == [sid]
    keys = {tuple(name for name, _ in index["key"]) for index in indexes.values()}
    assert keys == {("_id",), ("terms", "_id"), ("event_id",), ("app",)}


def test_sql_is_not_used_where_it_is_not_chosen(on_mongo: HeraldServer) -> None:
    """A destination that was not chosen gets nothing."""
    settings = {"HERALD_HOME": str(on_mongo.home)}
    with stored_log(settings) as log:
        assert log.read(LogQuery()) == []


def test_mongodb_is_down(tmp_path: Path) -> None:
    """With MongoDB down the server starts, delivers at once, keeps the events, and says it once.

    The first answer takes the second after which the batch is put on disk.
    """
    environ = {"MONGO_URI": f"mongodb://user:{PASSWORD}@127.0.0.1:{free_port()}/herald"}
    with HeraldServer(tmp_path / "home", environ) as server:
        app = new_app(server)
        with app.connect() as client:
            for longest in (1.5, 0.5, 0.5):
                started = time.monotonic()
                app.publish("a", {"aId": "1"})
                assert client.next_event() == ["a", {"aId": "1"}]
                assert time.monotonic() - started < longest
        server.wait_for_log("'mongodb' cannot write")
        assert server.stop() == 0
    printed = server.log_text()
    assert printed.count("'mongodb' cannot write") == 1
    assert printed.count("MongoLoggerFactory is not ready yet") == 1
    assert PASSWORD not in printed


def test_sentry_and_a_third_partys_logger(tmp_path: Path) -> None:
    """Sentry gets structured logs without data; a package's own logger is found by its name."""
    package = tmp_path / "package"
    (package / "beep-1.0.dist-info").mkdir(parents=True)
    (package / "beep_loggers.py").write_text(BEEP)
    (package / "beep-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: beep\nVersion: 1.0\n"
    )
    (package / "beep-1.0.dist-info" / "entry_points.txt").write_text(
        "[logger_lib.factories]\nbeep = beep_loggers:BeepLoggerFactory\n"
    )
    beeps = tmp_path / "beeps"
    with SentryReceiver() as sentry:
        environ = {
            "EVENT_LOGGERS": "sentry,beep",
            "SENTRY_DSN": sentry.dsn,
            "PYTHONPATH": str(package),
            "BEEP_FILE": str(beeps),
        }
        with HeraldServer(tmp_path / "home", environ) as server:
            app = new_app(server)
            with app.connect("vip-room"):
                answer = app.publish("order.paid", {"paymentId": "s3cret-id"}, room="vip-room")
            refused_socket(server)
            server.wait_for_log("Herald logger 'beep' cannot write: RuntimeError: beep is broken")
            wait_until(lambda: len(sentry.logs) >= 3, "the logs at Sentry")
        # Two envelopes may come in either order.
        logs = [attributes(log) for log in sentry.logs]
        paid = [log for log in logs if log["herald.event"] == "order.paid"]
        assert {log["herald.event_id"] for log in paid} == {answer["id"]}
        assert [log["herald.recipients"] for log in paid] == [0, 1]
        sent = b"".join(sentry.raw)
        assert b"s3cret-id" not in sent
        assert b"vip-room" not in sent
        assert app.key.encode() not in sent
    published, delivered, refused = beeps.read_text().splitlines()
    assert published == 'events order.paid {"paymentId": "s3cret-id"}'
    assert delivered == "events order.paid {}"
    assert refused.startswith("events audit.call_refused ")


def refused_socket(server: HeraldServer) -> None:
    """Have the server log something itself."""
    with pytest.raises(Exception, match="failed to connect"):
        SocketClient(server.url, "garbage")


def attributes(log: JsonObject) -> JsonObject:
    found = log["attributes"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
def test_database_servers(engine: str, tmp_path: Path) -> None:
    """On a database server all works as on SQLite, and no credential is printed at the start."""
    temporary: AbstractContextManager[str] = (
        temporary_mariadb() if engine == "mariadb" else temporary_postgresql()
    )
    with temporary as database:
        url = make_url(database)
        if engine == "postgresql" and url.password is None:
            # The server trusts its host: whatever is given is not looked at.
            url = url.set(password=PASSWORD)
        environ = {
            "DATABASE_URL": url.render_as_string(hide_password=False),
            "SECRET_KEY": SECRET,
        }
        with HeraldServer(tmp_path / "home", environ) as server:
            key = server.command("keys", "issue", "--scopes", "publish,subscribe").strip()
            app = App(server, key)
            with app.connect() as client:
                answer = object_in(app.post("/events", {"event": "größer", "data": HOSTILE}))
                assert client.next_event() == ["größer", HOSTILE]
                sid = client.sid
            printed = server.wait_for_log("[größer] event sent to: ")
            query = LogQuery(event_id=str(answer["id"]))
            with stored_log(environ) as log:
                wait_until(lambda: len(log.read(query)) == 2, "both records")
                delivery, event = log.read(query)
            assert server.stop() == 0
    assert (event.fields, delivery.recipients) == (HOSTILE, (sid,))
    assert '-H "Authorization: Bearer $KEY"' in printed
    assert "the table event_log of " in printed
    assert "herald_ey" not in printed
    assert SECRET not in printed
    assert url.password is None or url.password not in printed
