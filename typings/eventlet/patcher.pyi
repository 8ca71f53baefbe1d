import socket as _socket
from contextlib import AbstractContextManager
from typing import Literal, overload

class _Threading:
    @staticmethod
    def RLock() -> AbstractContextManager[bool]: ...

class _Socket:
    socket: type[_socket.socket]
    SHUT_WR: int
    SOL_SOCKET: int
    SO_LINGER: int

def is_monkey_patched(module: str) -> bool: ...
@overload
def original(module: Literal["socket"]) -> _Socket: ...
@overload
def original(module: Literal["threading"]) -> _Threading: ...
