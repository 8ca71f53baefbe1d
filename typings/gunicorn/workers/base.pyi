from types import FrameType
from wsgiref.types import WSGIApplication

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.sock import BaseSocket

class Worker:
    PIPE: tuple[int, int]
    age: int
    alive: bool
    cfg: Config
    log: Logger
    max_requests: int
    ppid: int
    sockets: list[BaseSocket]
    wsgi: WSGIApplication
    def init_process(self) -> None: ...
    def init_signals(self) -> None: ...
    def load_wsgi(self) -> None: ...
    def run(self) -> None: ...
    def notify(self) -> None: ...
    def handle_exit(self, sig: int, frame: FrameType | None) -> None: ...
    def handle_quit(self, sig: int, frame: FrameType | None) -> None: ...
