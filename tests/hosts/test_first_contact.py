"""A host that starts while Redis is away serves, and joins the others when it can."""

from pathlib import Path

from tests.hosts.conftest import hosts_of, is_ready
from tests.services.herald import HeraldServer, wait_until
from tests.services.redis_server import RedisServer


def test_a_start_while_redis_refuses_connections(tmp_path: Path) -> None:
    """What is posted before the first contact goes to the stream then; it is said once."""
    redis = RedisServer()
    with HeraldServer(tmp_path, {"REDIS_URL": redis.url}) as host:
        wait_until(lambda: hosts_of(host)["state"] == "out of reach", "the state")
        assert is_ready(host)
        answer = host.post("/events", {"event": "x", "data": {}})
        assert answer.status_code == 202
        assert answer.json()["unreached"] == ["*"]
        assert hosts_of(host)["waiting"] == 1
        with redis:
            wait_until(lambda: hosts_of(host)["state"] == "ok", "the first contact", 20)
            wait_until(lambda: hosts_of(host)["waiting"] == 0, "the event in the stream")
            assert "unreached" not in host.post("/events", {"event": "x", "data": {}}).json()
        assert host.log_text().count("out of reach") == 1
        assert "Traceback" not in host.log_text()
