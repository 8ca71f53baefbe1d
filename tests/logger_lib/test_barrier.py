"""Who waits until what was put before has been settled."""

from logger_lib.pipeline.barrier import Barrier


def test_goals_that_fall() -> None:
    """Of two threads the one whose goal is nearer is woken first, also where it joined second."""
    barrier = Barrier(loss_seconds=0)
    barrier.accepted = 3
    far, near, farthest = (barrier.join(goal) for goal in (2, 1, 3))
    assert far is not None
    assert near is not None
    assert farthest is not None
    woken = []
    for _ in range(3):
        barrier.settle(1)
        woken.append([not turn.locked() for turn in (near, far, farthest)])
    assert woken == [[True, False, False], [True, True, False], [True, True, True]]
