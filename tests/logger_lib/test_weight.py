"""What a record weighs: the bound of a buffer in bytes is one of memory."""

import json
import sys
import threading
import tracemalloc
from dataclasses import asdict, fields, replace
from typing import cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger_lib import Failure, JsonObject, JsonValue, LogRecord, delivery_record
from logger_lib.weight import memory_of
from tests.logger_lib.conftest import record

MIB = 1 << 20
UNITS = [
    "0",
    "1000",
    "0.5",
    "{}",
    "[]",
    "[0]",
    "[[]]",
    '""',
    '"ab"',
    '"é€"',
    '{"":0}',
    '{"a":1000}',
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | TEXTS
OBJECTS = st.dictionaries(
    TEXTS,
    st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)),
)


def held(data: JsonValue) -> int:
    """Return what the values of ``data`` take, each object once.

    Asked after the weight: orjson leaves the UTF-8 of each text with it.
    """
    seen: dict[int, int] = {}
    waiting = [data]
    while waiting:
        value = waiting.pop()
        seen[id(value)] = sys.getsizeof(value)
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
    return sum(seen.values())


def full_of(unit: str, size: int) -> JsonObject:
    """Return data whose JSON is of about ``size`` bytes, most of them ``unit`` again and again."""
    units = ",".join([unit] * (size // (len(unit) + 1)))
    return cast("JsonObject", orjson.loads(f'{{"a":[{units}]}}'))


@pytest.mark.parametrize("size", [100, 1_900, MIB // 4])
@pytest.mark.parametrize("unit", UNITS)
def test_it_is_no_less_than_is_held(unit: str, size: int) -> None:
    """Data of the smallest values, which take the most beside their text, weighs what it holds."""
    data = full_of(unit, size)
    weight = memory_of(data)
    assert held(data) <= weight < 20 * held(data) + 1000


@given(OBJECTS)
def test_of_any_data(data: JsonObject) -> None:
    """So does any data that has come as JSON."""
    read = cast("JsonObject", orjson.loads(orjson.dumps(data)))
    weight = memory_of(read)
    assert held(read) <= weight


@pytest.mark.parametrize("character", ["x", "é", "я", "語", "🙂", '"', "{", "\n"])
def test_of_long_texts(character: str) -> None:
    """Characters weigh what their text has for each."""
    data: JsonObject = {"text": character * 100_000}
    weight = memory_of(data)
    assert held(data) <= weight


def test_an_event_is_not_far_off() -> None:
    """What is usual weighs no more than a few times what it holds."""
    data: JsonObject = {
        "orderId": "cfa3c0de-0000-4000-8000-000000000001",
        "lines": [{"sku": f"sku {n}", "quantity": n, "price": n * 1.5} for n in range(20)],
    }
    assert held(data) <= memory_of(data) < 3 * held(data)


def test_all_of_a_record_weighs() -> None:
    """Beside its data a record's message, rooms, recipients and failure do."""
    light = record().weight
    assert light < 1000
    assert LogRecord(event="e", message="x" * 10_000).weight > 10_000
    assert LogRecord(event="e" * 10_000, message="m").weight > 10_000
    assert LogRecord(event="e", message="m", app="a" * 10_000).weight > 10_000
    assert LogRecord(event="e", message="m", rooms=("r" * 10_000,)).weight > 10_000
    assert LogRecord(event="e", message="m", rooms=("r" * 50,) * 100).weight > 10_000
    sids = ("s" * 20,) * 1000
    assert 8_000 < delivery_record("e", sids, event_id="i", time=record().time).weight < 10_000
    with pytest.raises(ValueError, match="Expecting") as raised:
        json.loads("{")
    failure = Failure.of(raised.value)
    assert LogRecord(event="e", message="m", failure=failure).weight > light + 500


def test_it_is_reckoned_once() -> None:
    """Whichever logger asks first, the others are told the same without another look."""
    entry = record(text="short")
    weight = entry.weight
    entry.fields["text"] = "x" * 100_000
    assert entry.weight == weight


@pytest.mark.parametrize("value", [2**64, -(2**70), "\ud800", threading.Lock()])
def test_of_what_no_event_has(value: JsonValue) -> None:
    """What only programs can log is looked at value by value."""
    data: JsonObject = {"odd": [value], "text": "x" * 10_000}
    assert held(data) <= memory_of(data) < held(data) + 1000


def test_it_is_no_field() -> None:
    """What a record was found to weigh is neither among its fields nor part of what it is."""
    entry = record(text="short")
    assert entry.weight == replace(entry).weight
    assert [*asdict(entry)] == [each.name for each in fields(LogRecord)]
    assert not any(name.startswith("_") for name in asdict(entry))


def test_of_data_that_holds_the_same_many_times() -> None:
    """Its JSON is never made: 24 lists that hold each other twice say one thing 2^24 times."""
    doubled: list[JsonValue] = ["a"]
    for _ in range(24):
        doubled = [doubled, doubled]
    repeated: list[JsonValue] = ["x" * MIB] * 1000
    for data in (doubled, repeated):
        tracemalloc.start()
        try:
            assert memory_of({"a": data}) > 64 * MIB
            assert tracemalloc.get_traced_memory()[1] < 32 * MIB
        finally:
            tracemalloc.stop()


def test_of_data_that_contains_itself() -> None:
    """It is too large for any buffer, and does not hang who asks."""
    loop: JsonObject = {}
    loop["self"] = loop
    assert memory_of(loop) > 64 * MIB
