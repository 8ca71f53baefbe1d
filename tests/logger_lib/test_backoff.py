"""When a destination that failed is asked again."""

from logger_lib.pipeline.backoff import Breaker
from logger_lib.pipeline.limits import DEFAULT_LIMITS


def test_pauses_double_up_to_a_bound() -> None:
    """Each pause is twice the one before, less up to half of it, and none beyond the longest."""
    for _ in range(50):
        breaker = Breaker(1, 0.2, 30.0)
        for failures in range(12):
            breaker.failed()
            whole = min(0.2 * 2**failures, 30.0)
            assert 0.45 * whole < breaker.pause <= whole


def test_many_failures_are_no_overflow() -> None:
    """A destination that is down for weeks is still asked at the longest pause."""
    breaker = Breaker(1, 0.2, 30.0)
    for _ in range(5000):
        breaker.failed()
    assert 14 < breaker.pause <= 30


def test_it_opens_once_and_closes_with_success() -> None:
    """With the failure that reaches the threshold the destination is down, until it succeeds."""
    breaker = Breaker(3, 10.0, 30.0)
    assert [breaker.failed() for _ in range(5)] == [False, False, True, False, False]
    states = [breaker.is_open]
    breaker.succeeded()
    states.append(breaker.is_open)
    assert breaker.pause == 0
    assert not breaker.failed()
    assert [*states, breaker.is_open] == [True, False, False], "one failure is not enough again"


def test_a_destination_that_is_back_is_asked_soon() -> None:
    """By itself no logger leaves a destination alone for longer than the 5 s that are promised."""
    breaker = Breaker(1, DEFAULT_LIMITS.first_pause, DEFAULT_LIMITS.longest_pause)
    for _ in range(100):
        breaker.failed()
        assert breaker.pause <= 5
