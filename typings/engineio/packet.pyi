from typing import TypeAlias

_Json: TypeAlias = "None | bool | int | float | str | list[_Json] | dict[str, _Json]"

OPEN: int
CLOSE: int
PING: int
PONG: int
MESSAGE: int
UPGRADE: int
NOOP: int

class Packet:
    packet_type: int
    data: _Json | bytes
    def __init__(
        self,
        packet_type: int = ...,
        data: _Json | bytes = ...,
        encoded_packet: str | bytes | None = ...,
    ) -> None: ...
    def encode(self, b64: bool = ...) -> str | bytes: ...
