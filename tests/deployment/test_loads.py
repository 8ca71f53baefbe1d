"""Which worker lets the others go first, as they tell how many connections they have."""

from webapp.loads import FRESH_SECONDS, LEAD, Loads


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return what it was set to."""
        return self.now


def test_who_is_ahead_lets_others_go_first() -> None:
    """Not for a few connections, and not where it is alone."""
    loads = Loads(Clock())
    assert not loads.is_ahead(100)
    loads.tell(1, 100)
    assert not loads.is_ahead(100)
    loads.tell(2, 100 - LEAD)
    assert not loads.is_ahead(100)
    loads.tell(2, 100 - LEAD - 1)
    assert loads.is_ahead(100)
    loads.forget(2)
    assert not loads.is_ahead(100)


def test_nobody_waits_for_a_worker_that_hangs() -> None:
    """It tells nothing, and would get none; when it tells again it is waited for again."""
    clock = Clock()
    loads = Loads(clock)
    loads.tell(1, 100)
    loads.tell(2, 0)
    assert loads.is_ahead(100)
    clock.now += FRESH_SECONDS
    loads.tell(1, 100)
    assert not loads.is_ahead(100)
    loads.tell(2, 0)
    assert loads.is_ahead(100)
