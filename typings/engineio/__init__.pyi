from collections.abc import Callable, Iterable
from typing import TypeAlias, TypedDict
from wsgiref.types import StartResponse, WSGIEnvironment

from engineio.packet import Packet
from engineio.socket import Socket

class Answer(TypedDict):
    status: str
    headers: list[tuple[str, str]]
    response: bytes

_Origins: TypeAlias = list[str] | str | Callable[[str, WSGIEnvironment], bool] | None
_Driver: TypeAlias = dict[str, type]

class Server:
    class reason:
        CLIENT_DISCONNECT: str
        SERVER_DISCONNECT: str
        TRANSPORT_CLOSE: str
        TRANSPORT_ERROR: str
        PING_TIMEOUT: str

    sockets: dict[str, Socket]
    _async: _Driver
    max_http_buffer_size: int
    def __init__(self, **options: str | float | bool | list[str] | _Origins) -> None: ...
    def handle_request(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]: ...
    def send_packet(self, sid: str, pkt: Packet) -> None: ...
    def disconnect(self, sid: str | None = ...) -> None: ...
    def generate_id(self) -> str: ...
    def _handle_connect(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        transport: str,
        jsonp_index: int | None = ...,
    ) -> Answer | Iterable[bytes]: ...
