"""The main job: what is posted is received."""

from tests.services.herald import HeraldServer


def test_ready(herald: HeraldServer) -> None:
    """A posted event is answered with 202."""
    answer = herald.post("/events", {"event": "a", "data": {}})
    assert answer.status_code == 202, answer.text
