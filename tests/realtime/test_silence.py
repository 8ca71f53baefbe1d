"""Who connects and says nothing. The last module: its connections live from the first one on."""

from concurrent.futures import Future

from tests.services.sockets import RawPolling


def test_silent_connections_end(silent: Future[float], silent_polling: RawPolling) -> None:
    """A connection that does not log in is closed after 15 s, WebSocket and polling alike."""
    waited = silent.result(20)
    assert 14 < waited < 17, waited
    assert silent_polling.poll().status_code == 400
