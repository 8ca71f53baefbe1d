"""One form for every error, also for the server's own."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from logger_lib import Level, LogQuery
from tests.services.herald import HeraldServer, wait_until
from tests.web.conftest import refusal, stored_log
from webapp.access.scopes import Scope


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A running server whose table of keys was dropped behind its back: nobody's mistake."""
    with HeraldServer(tmp_path_factory.mktemp("broken")) as server:
        yield server


def test_the_servers_own_fault(broken: HeraldServer) -> None:
    """An error that nobody foresaw is a 500 that tells the client nothing, and the log all."""
    key = broken.issue_key(Scope.PUBLISH)
    with closing(sqlite3.connect(broken.home / "herald.db")) as database:
        database.execute("ALTER TABLE api_key RENAME TO lost")
    answer = broken.post("/events", {"event": "a", "data": {"secretId": "s3cret"}}, key)
    error = refusal(answer, 500, "internal_error")
    assert error == {
        "code": "internal_error",
        "message": "the server failed; the failure was logged",
    }
    assert not re.search(r"sqlite|select|Traceback|File|api_key", answer.text, re.IGNORECASE)
    printed = broken.wait_for_log("[request.failed] ")
    (line,) = [line for line in printed.splitlines() if "[request.failed]" in line]
    assert re.match(r"\[Herald\] \d+ - .* [AP]M ERROR \[request\.failed\] OperationalError", line)
    with stored_log({"HERALD_HOME": str(broken.home)}) as log:
        query = LogQuery(event="request.failed")
        wait_until(lambda: bool(log.read(query)), "the stored record")
        (record,) = log.read(query)
    assert record.level is Level.ERROR
    trace = str(record.fields["traceback"])
    assert trace.startswith("Traceback (most recent call last):")
    assert "gate.py" in trace
    for secret in (key, "s3cret"):
        assert secret not in broken.log_text()
        assert secret not in json.dumps(record.fields)


def test_it_goes_on(broken: HeraldServer) -> None:
    """After such an error the server answers as before."""
    assert requests.get(broken.url + "/health/live", timeout=10).status_code == 200


@pytest.mark.parametrize("path", ["/nowhere", "/health", "/static/x", "/events/x/y"])
def test_nowhere(herald: HeraldServer, path: str) -> None:
    """A path that leads nowhere is answered in the envelope too."""
    answer = requests.get(herald.url + path, timeout=10)
    refusal(answer, 404, "not_found")
