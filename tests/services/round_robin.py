"""A load balancer that sends each connection to the next host, as one without sticky sessions."""

import selectors
import socket
import threading
from collections.abc import Sequence
from itertools import cycle
from types import TracebackType
from typing import Self

READ_BYTES = 65_536


class RoundRobin:
    """Forwards ``url`` to ``ports`` in turn, in a thread of its own, until ``with`` ends."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._next_port = cycle(ports)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._waker, self._woken = socket.socketpair()
        self._other: dict[socket.socket, socket.socket] = {}
        self._thread = threading.Thread(target=self._run, name="round-robin")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waker.close()
        self._thread.join(10)
        for each in (self._listener, self._woken, *self._other):
            each.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for source in (self._listener, self._woken):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    ready = key.fileobj
                    assert isinstance(ready, socket.socket)
                    if ready is self._woken:
                        return
                    if ready is self._listener:
                        self._accept(selector)
                    elif ready in self._other:
                        self._forward(selector, ready)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", next(self._next_port)))
        self._other |= {client: server, server: client}
        for side in (client, server):
            selector.register(side, selectors.EVENT_READ)

    def _forward(self, selector: selectors.BaseSelector, source: socket.socket) -> None:
        sink = self._other[source]
        try:
            data = source.recv(READ_BYTES)
            sink.sendall(data)
        except ConnectionError:
            data = b""
        if not data:
            for side in (source, sink):
                del self._other[side]
                selector.unregister(side)
                side.close()
