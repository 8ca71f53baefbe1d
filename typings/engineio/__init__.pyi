import logging
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TypeAlias, TypedDict, Unpack
from wsgiref.types import StartResponse, WSGIEnvironment

from engineio.packet import Packet

class Answer(TypedDict):
    status: str
    headers: list[tuple[str, str]]
    response: bytes

_Json: TypeAlias = "None | bool | int | float | str | list[_Json] | dict[str, _Json]"
_Origins: TypeAlias = list[str] | str | Callable[[str | None, WSGIEnvironment], bool] | None
_Driver: TypeAlias = dict[str, type]

class Options(TypedDict, total=False):
    async_mode: str
    async_handlers: bool
    cors_allowed_origins: _Origins
    cors_credentials: bool
    json: ModuleType
    logger: logging.Logger
    max_http_buffer_size: int
    monitor_clients: bool
    ping_interval: float
    ping_timeout: float

class Server:
    class reason:
        CLIENT_DISCONNECT: str
        SERVER_DISCONNECT: str
        TRANSPORT_CLOSE: str
        TRANSPORT_ERROR: str
        PING_TIMEOUT: str

    _async: _Driver
    max_http_buffer_size: int
    ping_interval: float
    ping_timeout: float
    logger: logging.Logger
    def __init__(self, **options: Unpack[Options]) -> None: ...
    def handle_request(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]: ...
    def _cors_headers(self, environ: WSGIEnvironment) -> list[tuple[str, str]]: ...
    def _bad_request(self, message: str | None = ...) -> Answer: ...
    def _ok(
        self,
        packets: list[Packet] | None = ...,
        headers: list[tuple[str, str]] | None = ...,
        jsonp_index: int | None = ...,
    ) -> Answer: ...
    def _trigger_event(
        self,
        event: str,
        sid: str,
        *args: str | bytes | WSGIEnvironment | _Json,
        run_async: bool = ...,
    ) -> None: ...
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
