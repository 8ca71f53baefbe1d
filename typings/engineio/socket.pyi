from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import engineio
from engineio.packet import Packet

class Socket:
    sid: str
    closed: bool
    closing: bool
    connected: bool
    upgrading: bool
    upgraded: bool
    session: dict[str, str]
    def send(self, pkt: Packet) -> None: ...
    def poll(self) -> list[Packet]: ...
    def receive(self, pkt: Packet) -> None: ...
    def handle_get_request(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> list[Packet] | Iterable[bytes] | engineio.Answer: ...
    def handle_post_request(self, environ: WSGIEnvironment) -> None: ...
    def close(self, wait: bool = ..., abort: bool = ..., reason: str | None = ...) -> None: ...
