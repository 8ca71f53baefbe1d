"""The Python client, which knows nothing of recovery, sees what it has always seen."""

from tests.recovery.conftest import EVENT, App
from tests.recovery.returning import Returning
from tests.services.herald import HeraldServer
from tests.services.socket_client import SocketClient


def test_no_extra_argument(app: App, server: HeraldServer) -> None:
    """An event has its one argument, for whoever has not asked for more, whatever others did."""
    with (
        SocketClient(server.url, app.key, "ours") as client,
        Returning(server.port, app.key).come("ours") as asking,
    ):
        assert app.recipients(1, room="ours") == 2
        assert client.next_event() == [EVENT, {"n": 1}]
        assert asking.read_to(1) == [1]
        assert asking.offset
