"""The bench of verification: each way is measured beside the same way without a gate."""

from pathlib import Path

import pytest

from bench.verification import Cost, measure, report


def test_each_way_is_measured(tmp_path: Path) -> None:
    """The gate and the whole call are judged; both kinds of call were answered all along."""
    costs = list(measure(tmp_path, runs=3, calls=20))
    assert [cost.is_judged for cost in costs] == [True] * 4 + [False] * 2
    assert all(cost.with_us > 0 for cost in costs)


@pytest.mark.parametrize(
    ("more", "is_judged", "code"), [(19, True, 0), (21, True, 1), (21, False, 0)]
)
def test_what_is_missed(more: float, is_judged: bool, code: int) -> None:
    """A way that is judged and costs too much ends the bench with 1."""
    assert report([Cost("a", 1.0, 1.0, 0.0, True), Cost("b", 30.0, 9.0, more, is_judged)]) == code
