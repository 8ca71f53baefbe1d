"""Which identifier is chosen for the first line of an event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger_lib import Identifier, JsonObject, event_record, identifier_of
from tests.logger_lib.conftest import record


@pytest.mark.parametrize(
    ("event", "data", "key"),
    [
        ("order.created", {"orderId": "1", "amount": 100}, "orderId"),
        ("order.paid", {"orderId": 1, "paymentId": 2, "authorizationNumber": 3}, "paymentId"),
        ("customer.suscribed", {"suscriptionId": 1, "name": "John"}, "suscriptionId"),
        ("order.created", {"customerId": 1, "orderId": 2}, "orderId"),
        ("order.confirmed", {"companyId": 1, "order_id": 2}, "order_id"),
        ("user.authenticated", {"userId": 1, "authId": 2}, "authId"),
        ("shop.order.paid", {"shopId": 1, "orderID": 2}, "orderID"),
        ("ORDER.PAID", {"order_ID": 1, "PAYMENT_ID": 2}, "PAYMENT_ID"),
        ("order.paid", {"paymentId": 1, "payerId": 2}, "paymentId"),
        ("order", {"userId": 1, "orderId": 2}, "orderId"),
        ("ping", {"userId": 1, "id": 2}, "userId"),
        ("ping", {"id": 2}, "id"),
    ],
)
def test_the_rule(event: str, data: JsonObject, key: str) -> None:
    """The action's identifier comes first, then the subject's, then the first one there is."""
    chosen = identifier_of(event, data)
    assert chosen is not None
    assert (chosen.key, chosen.value) == (key, data[key])


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"amount": 1, "idea": 2},
        {"paid": True, "orderId": None, "userId": 1.5, "cartId": [], "itemId": {"id": 1}},
        {"hugeId": 10**5000},
    ],
)
def test_what_is_no_identifier(data: JsonObject) -> None:
    """Only strings and integers identify; a nested ``id`` belongs to something else."""
    assert identifier_of("order.created", data) is None
    assert (
        event_record("order.created", data, event_id="e", time=record().time).message == "published"
    )


def test_its_text() -> None:
    """An identifier reads as in the seed."""
    assert str(Identifier("orderId", "cfa3f520")) == "orderId: cfa3f520"


keys = st.sampled_from(["id", "orderId", "payment_id", "PAYERID", "total", "userId", "paid", "x"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text())
words = st.sampled_from(["order", "paid", "user", "p", "", "id", "created", "x.y", "…"])


@given(st.lists(words, max_size=3).map(".".join), st.dictionaries(keys, scalars))
def test_any_event(event: str, data: JsonObject) -> None:
    """Of any event it is a key of its data that ends in id; if one can be chosen, one is."""
    chosen = identifier_of(event, data)
    possible = [
        key
        for key, value in data.items()
        if key.lower().endswith("id")
        and isinstance(value, (str, int))
        and not isinstance(value, bool)
    ]
    if chosen is None:
        assert possible == []
    else:
        assert chosen.key in possible
        assert data[chosen.key] == chosen.value


@given(st.from_regex(r"[a-z]{3,9}", fullmatch=True), st.dictionaries(keys, st.integers()))
def test_the_exact_action_wins(action: str, data: JsonObject) -> None:
    """A key that is the action itself and ``Id`` is chosen whatever else is there."""
    chosen = identifier_of(f"order.{action}", {**data, f"{action}Id": "mine"})
    assert chosen is not None
    assert chosen.key.lower().startswith(action)
