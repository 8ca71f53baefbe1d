"""A client as a front-end has it: python-socketio, over WebSocket, with what it has received."""

from types import TracebackType
from typing import Self

from socketio import SimpleClient

from logger_lib import JsonObject, JsonValue

SECONDS = 10.0


class SocketClient:
    """One connected socket; the ``with`` block ends it."""

    def __init__(self, url: str, token: str | None, *rooms: str) -> None:
        self._client = SimpleClient(reconnection=False)
        self._client.connect(
            url,
            auth=None if token is None else {"token": token},
            transports=["websocket"],
            wait_timeout=SECONDS,
        )
        for room in rooms:
            answer = self.call("join", {"room": room})
            assert answer == {"ok": True, "room": room}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()

    @property
    def sid(self) -> str:
        """The id that the server gave this socket."""
        return self._client.sid

    @property
    def connected(self) -> bool:
        """Whether the connection has never broken."""
        return self._client.connected

    def call(self, event: str, data: JsonValue) -> JsonValue:
        """Send ``event`` and return its acknowledgement."""
        return self._client.call(event, data, timeout=SECONDS)

    def next_event(self) -> list[JsonValue]:
        """Return the name and the arguments of the next event."""
        return self._client.receive(timeout=SECONDS)

    def events_until(self, last: str) -> list[list[JsonValue]]:
        """Return the events that came before the one called ``last``.

        A test posts ``last`` itself: what has not come before it will not come at all.
        """
        events: list[list[JsonValue]] = []
        while (event := self.next_event())[0] != last:
            events.append(event)
        return events

    def next_data(self) -> JsonObject:
        """Return the one argument of the next event."""
        _, data = self.next_event()
        assert isinstance(data, dict)
        return data
