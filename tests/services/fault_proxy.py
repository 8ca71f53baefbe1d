"""A TCP proxy whose faults are switched while it runs: delay, throttle, cut, half-open."""

import math
import selectors
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

TICK = 0.005
"""Seconds between two looks at bytes that may not go on yet."""
READ_BYTES = 65_536
MOST_QUEUED = 1 << 20
"""Bytes that a direction holds; the sender has to wait then, as on a slow line."""
RESET = struct.pack("ii", 1, 0)
"""What makes ``close`` send RST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of the bytes; as it stands here they just go through."""

    delay: float = 0.0
    rate: float = math.inf
    """Bytes a second, in each direction of each connection."""
    refuses: bool = False
    swallows: bool = False
    cut_after: int | None = None
    """Bytes from the client after which its connection is cut."""


NO_FAULT = Fault()


@dataclass(slots=True, eq=False)
class Direction:
    """One way of a connection."""

    source: socket.socket
    sink: socket.socket
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)
    queued: int = 0
    moved_at: float = field(default_factory=time.monotonic)
    ended: bool = False
    """Whether the source sends no more."""
    shut: bool = False
    """Whether the sink has been told so."""

    def read(self, delay: float) -> int:
        """Take what has come; return how much it is, 0 at the end of it."""
        data = self.source.recv(READ_BYTES)
        if data:
            self.queue.append((time.monotonic() + delay, data))
            self.queued += len(data)
        return len(data)

    def move(self, rate: float) -> None:
        """Send on what is due."""
        now = time.monotonic()
        allowed = READ_BYTES if math.isinf(rate) else int(rate * (now - self.moved_at))
        if not allowed:
            return
        self.moved_at = now
        while self.queue and allowed and self.queue[0][0] <= now:
            due, data = self.queue.popleft()
            try:
                sent = self.sink.send(data[:allowed])
            except BlockingIOError:
                sent = 0
            self.queued -= sent
            allowed -= sent
            if sent < len(data):
                self.queue.appendleft((due, data[sent:]))
                return
        if self.ended and not self.queue and not self.shut:
            self.sink.shutdown(socket.SHUT_WR)
            self.shut = True


@dataclass(slots=True, eq=False)
class Link:
    """One connection through the proxy; ``server`` is missing where its bytes go nowhere."""

    client: socket.socket
    server: socket.socket | None
    directions: tuple[Direction, ...]
    lost: bool = False
    """Whether bytes of it were swallowed, so that it can never be whole again."""
    taken: int = 0
    """Bytes from the client."""

    def close(self, *, reset: bool) -> None:
        """End it on both sides."""
        for side in (self.client, self.server):
            if side is not None:
                if reset:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                side.close()


class FaultProxy:
    """Forwards ``port`` to ``target``, in a thread of its own, as long as the ``with`` block."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._fault = NO_FAULT
        self._cut_all = False
        self._ended = False
        self._links: list[Link] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._waker, self._woken = socket.socketpair()
        self._turned = threading.Condition()
        self._turns = 0
        self._thread = threading.Thread(target=self._run, name="fault-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = True
        self._waker.send(b"w")
        self._thread.join(10)
        for each in (self._listener, self._waker, self._woken):
            each.close()

    def heal(self) -> None:
        """Let everything through; a connection of which bytes were swallowed stays dead."""
        self._switch(NO_FAULT)

    def point_to(self, target: int, *, cuts: bool = True) -> None:
        """Have new connections go to the port ``target``; end with RST those that there are."""
        self._target = target
        self._cut_all = cuts
        self._switch(NO_FAULT)

    def delay(self, seconds: float) -> None:
        """Hand each byte on ``seconds`` after it came."""
        self._switch(Fault(delay=seconds))

    def throttle(self, bytes_a_second: float) -> None:
        """Hand on so many bytes a second in each direction of a connection."""
        self._switch(Fault(rate=bytes_a_second))

    def cut(self) -> None:
        """End every connection with RST, and each new one."""
        self._cut_all = True
        self._switch(Fault(refuses=True))

    def half_open(self) -> None:
        """Take connections and bytes, and give nothing back, as a host that has gone does."""
        self._switch(Fault(swallows=True))

    def cut_after(self, count: int) -> None:
        """End each connection with RST once its client has sent ``count`` bytes from now on."""
        for link in list(self._links):
            link.taken = 0
        self._switch(Fault(cut_after=count))

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._links)

    def _switch(self, fault: Fault) -> None:
        """Return when the change has been made: a turn that began before it may still end."""
        with self._turned:
            self._fault, seen = fault, self._turns
            self._waker.send(b"w")
            assert self._turned.wait_for(lambda: self._turns >= seen + 2 or self._ended, 10)

    def _run(self) -> None:
        while not self._ended:
            with selectors.PollSelector() as selector:
                self._register(selector)
                for key, _ in selector.select(self._patience()):
                    self._serve(key.data)
            if self._cut_all:
                self._cut_all = False
                for link in list(self._links):
                    self._end(link, reset=True)
            for link in list(self._links):
                self._move(link)
            with self._turned:
                self._turns += 1
                self._turned.notify_all()
        for link in list(self._links):
            self._end(link, reset=True)

    def _register(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._listener, selectors.EVENT_READ, None)
        selector.register(self._woken, selectors.EVENT_READ, self._woken)
        for link in self._links:
            for direction in link.directions:
                if not direction.ended and direction.queued < MOST_QUEUED:
                    selector.register(direction.source, selectors.EVENT_READ, (link, direction))

    def _patience(self) -> float:
        waits = any(direction.queue for link in self._links for direction in link.directions)
        return TICK if waits else 0.1

    def _serve(self, ready: socket.socket | tuple[Link, Direction] | None) -> None:
        if ready is None:
            self._accept()
        elif isinstance(ready, socket.socket):
            ready.recv(READ_BYTES)
        elif ready[0] in self._links:
            self._read(*ready)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = None
        if not self._fault.refuses and not self._fault.swallows:
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                server = None
        link = Link(client, server, ())
        if server is None and not self._fault.swallows:
            link.close(reset=True)
            return
        client.setblocking(False)
        for side in (client, server):
            if side is not None:
                side.setblocking(False)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server is None:
            link.lost = True
            link.directions = (Direction(client, client),)
        else:
            link.directions = (Direction(client, server), Direction(server, client))
        self._links.append(link)

    def _read(self, link: Link, direction: Direction) -> None:
        fault = self._fault
        try:
            count = direction.read(fault.delay)
        except BlockingIOError:
            return
        except OSError:
            self._end(link, reset=True)
            return
        if fault.swallows or link.lost:
            self._swallow(link, direction, count)
            return
        if not count:
            direction.ended = True
        if direction.source is link.client:
            link.taken += count
        if fault.cut_after is not None and link.taken >= fault.cut_after:
            self._end(link, reset=True)

    def _swallow(self, link: Link, direction: Direction, count: int) -> None:
        direction.queue.clear()
        direction.queued = 0
        link.lost = True
        if not self._fault.swallows and direction.source is link.client:
            # The host is back, and knows nothing of this connection.
            self._end(link, reset=True)
        elif not count:
            if direction.source is link.client:
                self._end(link, reset=True)
            else:
                link.directions = link.directions[:1]

    def _move(self, link: Link) -> None:
        if link.lost or self._fault.swallows:
            return
        try:
            for direction in link.directions:
                direction.move(self._fault.rate)
        except OSError:
            self._end(link, reset=True)
            return
        if all(direction.shut for direction in link.directions):
            self._end(link, reset=False)

    def _end(self, link: Link, *, reset: bool) -> None:
        if link in self._links:
            self._links.remove(link)
            link.close(reset=reset)
