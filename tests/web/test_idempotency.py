"""``Idempotency-Key``: the same call again has the same answer and publishes nothing."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from logger_lib import JsonObject, uuid7
from tests.web.conftest import App, new_app, object_in, refusal
from webapp.access.scopes import Scope
from webapp.errors import IdempotencyKeyReused
from webapp.events.idempotency import (
    KEPT_SECONDS,
    IdempotentAnswers,
    Made,
)

EVENT: JsonObject = {"event": "order.paid", "data": {"paymentId": "p-1"}}


@pytest.mark.parametrize(
    ("path", "body"), [("/events", EVENT), ("/events/batch", {"events": [EVENT]})]
)
def test_again(app: App, path: str, body: JsonObject) -> None:
    """A repeated call gets the first answer, and no socket gets the event twice."""
    with app.connect() as client:
        answers = [app.post(path, body, Idempotency_Key="again") for _ in range(3)]
        app.publish("last", {})
        assert client.events_until("last") == [["order.paid", {"paymentId": "p-1"}]]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1


def test_at_the_same_time(app: App) -> None:
    """Of several calls with one key at the same time one publishes, and all get its answer."""
    with app.connect() as client, ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(app.post, "/events", EVENT, Idempotency_Key="at once") for _ in range(8)
        ]
        ids = {str(object_in(call.result())["id"]) for call in calls}
        app.publish("last", {})
        assert len(client.events_until("last")) == 1
    assert len(ids) == 1


def test_without_a_key(app: App) -> None:
    """Without a key the same event twice is two events."""
    assert app.publish("a", {})["id"] != app.publish("a", {})["id"]


def test_another_body(app: App) -> None:
    """A key that comes with another body is refused, and that body is not published."""
    app.post("/events", EVENT, Idempotency_Key="one key")
    with app.connect() as client:
        other = app.post("/events", {"event": "other", "data": {}}, Idempotency_Key="one key")
        refusal(other, 422, "idempotency_key_reused")
        app.publish("last", {})
        assert client.events_until("last") == []


def test_a_refused_call_may_be_corrected(app: App) -> None:
    """A call that was refused is not kept: the corrected one counts under the same key."""
    wrong = app.post("/events", {"event": "connect", "data": {}}, Idempotency_Key="corrected")
    refusal(wrong, 422, "validation_failed")
    assert app.post("/events", EVENT, Idempotency_Key="corrected").status_code == 202


def test_each_app_has_its_own(app: App) -> None:
    """Two apps that choose the same key do not meet; two keys of one app do."""
    mine = app.post("/events", EVENT, Idempotency_Key="1").json()["id"]
    other = new_app(app.server)
    assert other.post("/events", EVENT, Idempotency_Key="1").json()["id"] != mine
    name = f"shared-{uuid7()}"
    keys = [app.server.issue_key(Scope.PUBLISH, app=name) for _ in range(2)]
    answers = [app.server.post("/events", EVENT, key, Idempotency_Key="1") for key in keys]
    assert answers[0].text == answers[1].text


def test_single_and_batch_are_two_calls(app: App) -> None:
    """The same key on the two paths names two calls."""
    assert app.post("/events", EVENT, Idempotency_Key="2").status_code == 202
    assert app.post("/events/batch", {"events": [EVENT]}, Idempotency_Key="2").status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_no_key_at_all(app: App, key: str) -> None:
    """An empty key and one of more than 200 characters are refused; 200 are fine."""
    error = refusal(app.post("/events", EVENT, Idempotency_Key=key), 422, "validation_failed")
    assert error["fields"] == {"Idempotency-Key": ["Must have 1 to 200 characters."]}
    assert app.post("/events", EVENT, Idempotency_Key="x" * 200).status_code == 202


class Clock:
    """Time that passes only where a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time that the test set."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(clock: Clock) -> IdempotentAnswers:
    return IdempotentAnswers(clock=clock)


@pytest.fixture
def numbers() -> Iterator[int]:
    return itertools.count()


def ask(
    answers: IdempotentAnswers, numbers: Iterator[int], key: str, body: bytes = b""
) -> JsonObject:
    return answers.answer("app", key, body, lambda: made({"number": next(numbers)}))


def made(answer: JsonObject) -> Made:
    """Return ``answer`` with nothing to be waited for."""
    return answer, lambda: None


def test_kept_for_five_minutes(
    answers: IdempotentAnswers, numbers: Iterator[int], clock: Clock
) -> None:
    """An answer is had again for five minutes, then the call counts anew."""
    assert ask(answers, numbers, "a") == {"number": 0}
    clock.now += KEPT_SECONDS - 1
    assert ask(answers, numbers, "a") == {"number": 0}
    assert answers.replayed == 1
    clock.now += 2
    assert ask(answers, numbers, "a", b"other") == {"number": 1}
    with pytest.raises(IdempotencyKeyReused):
        ask(answers, numbers, "a")


def test_bounded_in_bytes(clock: Clock) -> None:
    """Answers take so many bytes and no more; the oldest is forgotten first, and counted."""
    answers = IdempotentAnswers(clock=clock, max_bytes=100_000)
    long: JsonObject = {"results": "x" * 10_000}
    for number in range(20):
        answers.answer("app", str(number), b"", lambda: made(long))
    assert answers._kept.size <= 100_000
    assert answers.evicted == 11
    assert answers.answer("app", "19", b"", lambda: made({})) == long
    assert answers.answer("app", "0", b"", lambda: made({})) == {}
    clock.now += KEPT_SECONDS
    answers.answer("app", "last", b"", lambda: made({}))
    assert answers._kept.size < 1000
    assert answers.evicted == 11


def test_one_app_does_not_push_out_another(clock: Clock) -> None:
    """An app that fills the room loses its own answers; one that keeps few keeps them."""
    answers = IdempotentAnswers(clock=clock, max_bytes=100_000)
    answers.answer("small", "k", b"", lambda: made({"from": "small"}))
    for number in range(1000):
        answers.answer("big", str(number), b"", lambda: made({"results": "x" * 1000}))
    assert answers.evicted > 900
    assert answers.answer("small", "k", b"", lambda: made({})) == {"from": "small"}


def test_an_answer_too_long_to_keep(clock: Clock) -> None:
    """One that is longer than all the room is given and not kept."""
    answers = IdempotentAnswers(clock=clock, max_bytes=1000)
    assert answers.answer("app", "k", b"", lambda: made({"a": "x" * 1000})) == {"a": "x" * 1000}
    assert answers.answer("app", "k", b"", lambda: made({})) == {}


def test_the_second_waits_for_the_first(answers: IdempotentAnswers) -> None:
    """A call that comes while the first is being answered waits for that answer."""
    entered, go_on = threading.Event(), threading.Event()

    def slow() -> Made:
        entered.set()
        assert go_on.wait(10)
        return made({"from": "first"})

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.answer, "app", "k", b"", slow)
        assert entered.wait(10)
        second = pool.submit(answers.answer, "app", "k", b"", lambda: made({"from": "second"}))
        go_on.set()
        assert first.result(10) == second.result(10) == {"from": "first"}


def test_a_failed_call_is_not_kept(answers: IdempotentAnswers, numbers: Iterator[int]) -> None:
    """A call that failed leaves nothing behind, neither an answer nor a lock."""

    def fail() -> Made:
        raise ConnectionError("out of reach")

    with pytest.raises(ConnectionError):
        answers.answer("app", "k", b"", fail)
    assert ask(answers, numbers, "k") == {"number": 0}
