from collections.abc import Callable, Iterable, Mapping
from socket import socket as Socket
from wsgiref.types import StartResponse, WSGIEnvironment

class FailedConnectionError(Exception):
    status: int
    message: str
    def __init__(self, status: int, message: str) -> None: ...

class RFC6455WebSocket:
    class Message:
        data: list[bytes]
        def push(self, data: bytes, final: bool = ...) -> None: ...
        def getvalue(self) -> bytes | str: ...
        max_frame_length: int

    socket: Socket
    version: int
    protocol: str | None
    max_frame_length: int
    def __init__(
        self,
        sock: Socket,
        environ: WSGIEnvironment,
        version: int = ...,
        protocol: str | None = ...,
        client: bool = ...,
        extensions: Mapping[str, Mapping[str, int]] | None = ...,
        max_frame_length: int = ...,
    ) -> None: ...
    def send(self, message: str | bytes) -> None: ...
    def wait(self) -> str | bytes | None: ...
    def _recv_frame(self, message: Message | None = ...) -> Message: ...
    def close(self, close_data: tuple[int, str] | None = ...) -> None: ...

class WebSocketWSGI:
    def __init__(
        self, handler: Callable[[RFC6455WebSocket], None], max_frame_length: int = ...
    ) -> None: ...
    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]: ...
    def _handle_hybi_request(self, environ: WSGIEnvironment) -> RFC6455WebSocket: ...
    def _negotiate_permessage_deflate(
        self, extensions: Mapping[str, list[Mapping[str, int]]] | None
    ) -> None: ...
