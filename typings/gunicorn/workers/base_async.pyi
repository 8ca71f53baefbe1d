import socket
from collections.abc import Iterable

from gunicorn.workers.base import Worker

class AsyncWorker(Worker):
    worker_connections: int
    def handle(
        self, listener: socket.socket, client: socket.socket, addr: tuple[str, int]
    ) -> None: ...
    def is_already_handled(self, respiter: Iterable[bytes]) -> bool: ...
