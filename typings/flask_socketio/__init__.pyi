from collections.abc import Callable
from typing import TypeAlias, TypeVar

import socketio
from flask import Flask

_Json: TypeAlias = "None | bool | int | float | str | list[_Json] | dict[str, _Json]"
_Handler = TypeVar("_Handler")
_ErrorHandler = TypeVar("_ErrorHandler")

class SocketIO:
    server: socketio.Server
    async_mode: str
    server_options: dict[str, str]
    manage_session: bool
    sockio_mw: socketio.WSGIApp
    def __init__(self, app: Flask | None = ...) -> None: ...
    def on(self, message: str, namespace: str | None = ...) -> Callable[[_Handler], _Handler]: ...
    def on_error_default(self, exception_handler: _ErrorHandler) -> _ErrorHandler: ...
