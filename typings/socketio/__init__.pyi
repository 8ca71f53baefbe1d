from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TypeAlias, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import engineio
from engineio.packet import Packet as _EnginePacket
from socketio.manager import Manager as Manager
from socketio.packet import Packet as _Packet

_Handler = TypeVar("_Handler")
_Json: TypeAlias = "None | bool | int | float | str | list[_Json] | dict[str, _Json]"
_Option: TypeAlias = "str | float | bool | list[str] | Manager | type | ModuleType | Callable[[str | None, WSGIEnvironment], bool] | None"

class Server:
    eio: engineio.Server
    manager: Manager
    async_mode: str
    packet_class: type[_Packet]
    environ: dict[str, WSGIEnvironment]
    def __init__(self, **options: _Option) -> None: ...
    def on(self, event: str, handler: _Handler, namespace: str | None = ...) -> None: ...
    def disconnect(self, sid: str, namespace: str | None = ...) -> None: ...
    def _handle_eio_connect(self, eio_sid: str, environ: WSGIEnvironment) -> None: ...
    def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = ...
    ) -> None: ...
    def _send_eio_packet(self, eio_sid: str, eio_pkt: _EnginePacket) -> None: ...
    def _engineio_server_class(self) -> type[engineio.Server]: ...

class WSGIApp:
    def __init__(
        self, socketio_app: Server, wsgi_app: WSGIApplication, socketio_path: str = ...
    ) -> None: ...
    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]: ...
