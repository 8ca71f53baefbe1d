"""The seed's three events, as printed there, from the HTTP call to each browser and each log."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from logger_lib import JsonObject, LogQuery
from tests.services.herald import HeraldServer, wait_until
from tests.web.conftest import App, new_app, object_in, refusal, stored_log

ROOM = "9d283b4a-c87f-4337-ac2e-fe71ad0c6c42"
ORDER_CREATED = """{
    "event": "order.created",
    "room": "9d283b4a-c87f-4337-ac2e-fe71ad0c6c42",
    "data": {
        "orderId": "cfa3f520-fa3f-4859-b5b0-a0b4e32e593f",
        "amount": 100,
        "products": [
            { "id": "d4c792cd-8690-400f-bc89-b1c5acef4903", "price": 50, "qty": 2 }
        ]
    }
}"""
ORDER_PAID = """{
    "event": "order.paid",
    "room": "9d283b4a-c87f-4337-ac2e-fe71ad0c6c42",
    "data": {
        "orderId": "cfa3f520-fa3f-4859-b5b0-a0b4e32e593f",
        "paymentId": "9b933a6d-dbcc-49e5-8bab-eecce7957155",
        "authorizationNumber": "000057863456384534",
        "cardType": "credit",
        "last4": "9199"
    }
}"""
CUSTOMER_SUSCRIBED = """{
    "event": "customer.suscribed",
    "data": {
        "suscriptionId": "7e2983f4-4d1d-4961-80d6-7ef8a9abe19a",
        "name": "John Doe",
        "email": "john.doe+awesome-newsletter@x.com",
    }
}"""
WITHOUT_STRAY_COMMA = CUSTOMER_SUSCRIBED.replace('x.com",', 'x.com"')

ORDER_DATA: JsonObject = {
    "orderId": "cfa3f520-fa3f-4859-b5b0-a0b4e32e593f",
    "amount": 100,
    "products": [{"id": "d4c792cd-8690-400f-bc89-b1c5acef4903", "price": 50, "qty": 2}],
}
PAYMENT_DATA: JsonObject = {
    "orderId": "cfa3f520-fa3f-4859-b5b0-a0b4e32e593f",
    "paymentId": "9b933a6d-dbcc-49e5-8bab-eecce7957155",
    "authorizationNumber": "000057863456384534",
    "cardType": "credit",
    "last4": "9199",
}
CUSTOMER_DATA: JsonObject = {
    "suscriptionId": "7e2983f4-4d1d-4961-80d6-7ef8a9abe19a",
    "name": "John Doe",
    "email": "john.doe+awesome-newsletter@x.com",
}
LOCAL = timezone(timedelta(hours=5, minutes=45))
LINE = re.compile(
    r"\[Herald\] (?P<pid>\d+) - "
    r"(?P<time>\d\d/\d\d/\d{4}, (?:[1-9]|1[0-2]):\d\d:\d\d [AP]M)  "
    r"\[(?P<event>[^\]]+)\] (?P<message>.+) \+\d+ms"
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app on a server whose host has a clock of its own: 5:45 h ahead of UTC."""
    with HeraldServer(tmp_path_factory.mktemp("seed"), {"TZ": "NPT-5:45"}) as server:
        yield new_app(server)


def post_as_printed(app: App, printed: str) -> JsonObject:
    answer = app.post_raw("/events", printed.encode())
    assert answer.status_code == 202, answer.text
    return object_in(answer)


def lines_of(app: App, event: str, last: str) -> list[re.Match[str]]:
    """Return the lines that the server has printed about ``event``, when ``last`` is there."""
    printed = app.server.wait_for_log(f"[{event}] {last}")
    about = [line for line in printed.splitlines() if f"[{event}] " in line]
    found = [LINE.fullmatch(line) for line in about]
    assert None not in found, about
    return [line for line in found if line is not None]


@pytest.mark.parametrize(
    ("printed", "name", "data", "identifier"),
    [
        (ORDER_CREATED, "order.created", ORDER_DATA, "orderId: cfa3f520"),
        (ORDER_PAID, "order.paid", PAYMENT_DATA, "paymentId: 9b933a6d"),
    ],
)
def test_to_a_room(app: App, printed: str, name: str, data: JsonObject, identifier: str) -> None:
    """An event with a room reaches those in it, and each of them has its line in the log."""
    with app.connect(ROOM) as first, app.connect(ROOM) as second, app.connect("other") as outside:
        answer = post_as_printed(app, printed)
        assert answer.items() >= {"event": name, "rooms": [ROOM], "recipients": 2}.items()
        assert first.next_event() == second.next_event() == [name, data]
        app.publish("last", {})
        assert outside.events_until("last") == []
        sids = {first.sid, second.sid}
    messages = [line["message"] for line in lines_of(app, name, "event sent to: ")]
    assert messages[0].startswith(identifier)
    assert set(messages[1:]) == {f"event sent to: {sid}" for sid in sids}
    assert len(messages) == 3


def test_to_all(app: App) -> None:
    """An event without a room reaches every connected socket, in whatever rooms they are."""
    with app.connect() as nowhere, app.connect(ROOM) as inside, app.connect("other") as other:
        clients = [nowhere, inside, other]
        answer = post_as_printed(app, WITHOUT_STRAY_COMMA)
        assert answer.items() >= {"rooms": [], "recipients": 3}.items()
        for client in clients:
            assert client.next_event() == ["customer.suscribed", CUSTOMER_DATA]
        sids = [client.sid for client in clients]
    lines = lines_of(app, "customer.suscribed", "event sent to: ")
    assert lines[0]["message"] == "suscriptionId: 7e2983f4-4d1d-4961-80d6-7ef8a9abe19a"
    assert {line["message"] for line in lines[1:]} == {f"event sent to: {sid}" for sid in sids}


def test_the_stray_comma(app: App) -> None:
    """The third event exactly as the seed prints it is no JSON: the answer says where."""
    answer = app.post_raw("/events", CUSTOMER_SUSCRIBED.encode())
    message = str(refusal(answer, 400, "malformed_json")["message"])
    # The comma stands at the end of line 6; either it or what follows it is at fault.
    assert re.search(r"line [67], column \d+$", message), message


def test_process_and_local_time(app: App) -> None:
    """A line names the process that took the event, and the time on the clock of its host."""
    before = datetime.now(UTC).replace(microsecond=0)
    app.publish("clock.read", {"clockId": "c-1"})
    (line,) = lines_of(app, "clock.read", "clockId: c-1")
    printed = datetime.strptime(line["time"], "%m/%d/%Y, %I:%M:%S %p").replace(tzinfo=LOCAL)
    assert before <= printed <= datetime.now(UTC)
    assert int(line["pid"]) == app.server.worker_pid


def test_the_stored_log(app: App) -> None:
    """The same is in SQLite: what was published, and to whom it went, under the answer's id."""
    with app.connect(ROOM) as client:
        answer = post_as_printed(app, ORDER_PAID)
        sid = client.sid
    event_id = str(answer["id"])
    query = LogQuery(event_id=event_id)
    with stored_log({"HERALD_HOME": str(app.server.home)}) as log:
        wait_until(lambda: len(log.read(query)) == 2, "both records")
        delivery, event = log.read(query)
    assert event.fields == PAYMENT_DATA
    assert event.message == "paymentId: 9b933a6d-dbcc-49e5-8bab-eecce7957155"
    assert (event.event, event.rooms, event.recipients) == ("order.paid", (ROOM,), ())
    assert (delivery.event, delivery.rooms, delivery.recipients) == ("order.paid", (ROOM,), (sid,))
    assert event.app == delivery.app is not None
    assert event.time == delivery.time
    assert event.time.tzinfo is UTC
