"""``RATE_LIMIT_COLLECT``: hits are counted by key, one by one, whichever way a call goes."""

from collections.abc import Iterator

import pytest
import requests

from logger_lib import JsonObject
from tests.services.herald import HeraldServer
from tests.web.conftest import refusal
from webapp.access.scopes import Scope

AROUND, THROUGH = "application/json", "application/json; charset=utf-8"
HIT: JsonObject = {"event": "limited"}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraldServer]:
    """A server that takes five hits a key."""
    environ = {"RATE_LIMIT_COLLECT": "5/hour"}
    with HeraldServer(tmp_path_factory.mktemp("limited"), environ) as server:
        yield server


@pytest.fixture
def key(limited: HeraldServer) -> str:
    """A fresh key, which the server has seen: its calls may go around Flask."""
    key = limited.issue_key(Scope.COLLECT, Scope.PUBLISH)
    assert limited.post("/events", {"event": "a", "data": {}}, key).status_code == 202
    return key


def left(answer: requests.Response) -> int:
    assert answer.status_code == 202, answer.text
    assert answer.headers["RateLimit-Limit"] == "5"
    return int(answer.headers["RateLimit-Remaining"])


def check_refused(answer: requests.Response) -> None:
    """Hold that ``answer`` is the refusal of a call beyond the limit."""
    error = refusal(answer, 429, "too_many_requests")
    assert str(error["message"]).startswith("too many hits are collected: at most 5 a hour")
    assert 0 < int(answer.headers["Retry-After"]) <= 3600


@pytest.mark.parametrize("kind", [AROUND, THROUGH])
def test_single_hits(limited: HeraldServer, key: str, kind: str) -> None:
    """A key collects as much as is granted, and is told what is left; another has its own."""
    answers = [limited.post("/collect", HIT, key, Content_Type=kind) for _ in range(5)]
    assert [left(answer) for answer in answers] == [4, 3, 2, 1, 0]
    check_refused(limited.post("/analytics/collect", HIT, key, Content_Type=kind))
    other = limited.issue_key(Scope.COLLECT)
    assert left(limited.post("/collect", HIT, other, Content_Type=kind)) == 4


@pytest.mark.parametrize("kind", [AROUND, THROUGH])
def test_batches(limited: HeraldServer, key: str, kind: str) -> None:
    """A batch counts all of its hits, the bad ones too."""
    batch: JsonObject = {"batch": [HIT, HIT, {}]}
    assert left(limited.post("/collect", batch, key, Content_Type=kind)) == 2
    check_refused(limited.post("/collect", batch, key, Content_Type=kind))


def test_a_key_in_the_address(limited: HeraldServer) -> None:
    """It is limited as it would be in a header."""
    key = limited.issue_key(Scope.COLLECT)
    url = f"{limited.url}/collect?key={key}"
    answers = [requests.post(url, json=HIT, timeout=10) for _ in range(6)]
    assert [left(answer) for answer in answers[:5]] == [4, 3, 2, 1, 0]
    check_refused(answers[5])
