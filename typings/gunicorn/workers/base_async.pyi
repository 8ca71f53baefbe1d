import socket
from collections.abc import Iterable
from types import FrameType
from wsgiref.types import WSGIApplication

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.message import Request
from gunicorn.sock import BaseSocket

_Address = tuple[str, int]

ALREADY_HANDLED: Iterable[bytes]

class AsyncWorker:
    PIPE: tuple[int, int]
    alive: bool
    cfg: Config
    log: Logger
    ppid: int
    sockets: list[BaseSocket]
    worker_connections: int
    wsgi: WSGIApplication
    def init_process(self) -> None: ...
    def load_wsgi(self) -> None: ...
    def run(self) -> None: ...
    def notify(self) -> None: ...
    def handle_exit(self, sig: int, frame: FrameType | None) -> None: ...
    def handle(self, listener: socket.socket, client: socket.socket, addr: _Address) -> None: ...
    def handle_request(
        self, listener_name: _Address, req: Request, sock: socket.socket, addr: _Address
    ) -> bool: ...
    def is_already_handled(self, respiter: Iterable[bytes]) -> bool: ...
