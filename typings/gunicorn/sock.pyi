import socket

class BaseSocket:
    sock: socket.socket
    def close(self) -> None: ...
