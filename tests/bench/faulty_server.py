"""A server that makes one mistake: ``python -m tests.bench.faulty_server PORT FAULT``."""

import socket
import sys

from bench.peers.ceiling.server import Ceiling

WRONG_POST = 3
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class FaultyServer(Ceiling):
    """Treats its first socket wrong at the third event, or its publisher."""

    def __init__(self, port: int, fault: str) -> None:
        super().__init__(port)
        self.fault = fault
        self.posts = 0
        self.held = b""

    def deliver(self, message: bytes) -> None:
        """Send an event to every socket as often as the fault has it."""
        self.posts += 1
        if self.refuses:
            return
        for place, (descriptor, subscriber) in enumerate([*self.websockets.items()]):
            for _ in range(self.times(place)):
                subscriber.send(message)
            if self.fault == "swap" and place == 0:
                self.swap(subscriber, message)
            if self.fault == "drop" and (place, self.posts) == (0, WRONG_POST):
                self.poll.unregister(subscriber)
                del self.websockets[descriptor]
                subscriber.close()

    def swap(self, subscriber: socket.socket, message: bytes) -> None:
        """Send the wrong event behind the next one."""
        if self.posts == WRONG_POST:
            self.held = message
        elif self.held:
            subscriber.send(self.held)
            self.held = b""

    def times(self, place: int) -> int:
        """Return how often the socket at ``place`` gets this event."""
        match self.fault, place, self.posts - WRONG_POST:
            case ("lose", 0, 0) | ("swap", 0, 0) | ("repeat to the other", 0, 0) | ("repeat", 0, 1):
                return 0
            case ("repeat to the other", 1, 0) | ("repeat", 0, 0):
                return 2
        return 1

    @property
    def refuses(self) -> bool:
        """Whether the post is not taken."""
        return self.fault in {"refuse", "no answer"} and self.posts >= WRONG_POST

    def accepted(self, client: socket.socket) -> None:
        """Answer a request, or not so well, or not at all."""
        if not self.refuses:
            super().accepted(client)
        elif self.fault == "refuse":
            client.send(UNAVAILABLE)


if __name__ == "__main__":
    FaultyServer(int(sys.argv[1]), sys.argv[2]).run()
