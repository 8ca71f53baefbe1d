import socket

class GreenSocket(socket.socket):
    fd: socket.socket
    def __init__(
        self, family: socket.socket | int = ..., *, set_nonblocking: bool = ...
    ) -> None: ...
