"""Identifiers."""

import time
import uuid

import pytest

from logger_lib import uuid7


def test_form() -> None:
    """An identifier is a UUID of version 7 that tells when it was made."""
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    parsed = uuid.UUID(made)
    assert (str(parsed), parsed.version, parsed.variant) == (made, 7, uuid.RFC_4122)
    assert before <= parsed.int >> 80 <= after


def test_order() -> None:
    """Identifiers sort in the order in which they were made, and none comes twice."""
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_a_clock_that_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Identifiers keep their order, and their form, while the clock is behind."""
    first = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    made = [first, *(uuid7() for _ in range(1000))]
    assert made == sorted(set(made))
    assert all(uuid.UUID(each).version == 7 for each in made)
