"""Every record that can exist can be written as a line of JSON and is read back equal."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger_lib import Failure, Frame, JsonObject, JsonValue, Level, LogRecord
from logger_lib.flat_json import flatten, unflatten
from logger_lib.record_json import from_json, to_json
from tests.logger_lib.conftest import record

TEXT = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["\ud83d\ude00", "\ude00\ud83d", "\x00", "\r\n", "\u2028", "", "flat", "😀"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**4000), 2**64])
    | st.floats(allow_nan=False)
    | TEXT
)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8
)
RECORDS = st.builds(
    LogRecord,
    event=TEXT,
    message=TEXT,
    id=TEXT,
    time=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=7))])),
    level=st.sampled_from(Level),
    fields=st.dictionaries(TEXT, VALUES),
    event_id=st.none() | TEXT,
    app=st.none() | TEXT,
    rooms=st.lists(TEXT, max_size=3).map(tuple),
    recipients=st.lists(TEXT, max_size=3).map(tuple),
    failure=st.none()
    | st.builds(
        Failure, TEXT, st.lists(st.builds(Frame, TEXT, st.integers(), TEXT), max_size=2).map(tuple)
    ),
)


@given(RECORDS)
def test_what_is_written_is_read_back(entry: LogRecord) -> None:
    """Each record makes one line of ASCII without control characters, and comes back equal."""
    text = to_json(entry)
    assert text.isascii()
    assert text.isprintable() or "\x7f" in text
    assert from_json(text) == entry


@pytest.mark.parametrize("levels", [90, 110, 900, 20_000])
def test_deep_data_comes_back(levels: int) -> None:
    """How deep data is nested, what reads it never runs out of its stack."""
    value: JsonObject = {"innermost": "ü"}
    for _ in range(levels):
        value = {"a": [value]}
    text = to_json(LogRecord(event="e", message="m", fields=value))
    read = from_json(text)
    assert to_json(read) == text
    inner: JsonValue = read.fields
    for _ in range(levels):
        assert isinstance(inner, dict)
        assert isinstance(inner["a"], list)
        inner = inner["a"][0]
    assert inner == {"innermost": "ü"}


def test_an_integer_that_python_prints_no_more() -> None:
    """Beyond 4,300 digits, where Python and its JSON refuse, an integer comes back all the same."""
    huge: JsonObject = {"n": -(10**6000)}
    assert from_json(to_json(LogRecord(event="e", message="m", fields=huge))).fields == huge


def test_what_is_no_number_stays_none() -> None:
    """NaN and the infinities, which JSON does not have, come back too."""
    values: JsonObject = {"nan": math.nan, "more": math.inf, "less": -math.inf}
    read = from_json(to_json(LogRecord(event="e", message="m", fields=values))).fields
    assert isinstance(read["nan"], float)
    assert math.isnan(read["nan"])
    assert (read["more"], read["less"]) == (math.inf, -math.inf)


def test_data_that_contains_itself_is_refused() -> None:
    """There is no JSON for it, and looking for some ends; what is only there twice is written."""
    loop: JsonObject = {}
    loop["again"] = [loop]
    with pytest.raises(ValueError, match="contains itself"):
        to_json(LogRecord(event="e", message="m", fields=loop))
    twice: JsonValue = ["\ud83d\ude00"]
    assert from_json(to_json(record(a=twice, b=twice))).fields == {"a": twice, "b": twice}


def test_a_plain_record_is_plain_json() -> None:
    """What somebody sees who looks into the file is the record, with names."""
    read = json.loads(to_json(record("order.paid", paymentId="9b93")))
    assert read["event"] == "order.paid"
    assert read["fields"] == {"paymentId": "9b93"}


@pytest.mark.parametrize(
    "pairs", [[], [["s", "a"], ["s", "b"]], [["{", "x"]], [["?", 1]], [["i", 1]], [["[", 1]]]
)
def test_other_lists_are_refused(pairs: list[list[JsonValue]]) -> None:
    """A list that ``flatten`` did not make is an error, and no value."""
    with pytest.raises(ValueError, match=r"container|value"):
        unflatten(pairs)


def test_what_is_not_json_is_refused() -> None:
    """A value of another type, which types forbid and programs pass, is named in the error."""
    foreign: JsonObject = {"at": datetime.now(UTC)}  # type: ignore[dict-item]  # as programs do
    with pytest.raises(TypeError, match="datetime is not JSON"):
        flatten(foreign)
