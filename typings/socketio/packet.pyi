from typing import TypeAlias

_Json: TypeAlias = "None | bool | int | float | str | list[_Json] | dict[str, _Json]"

CONNECT: int
DISCONNECT: int
EVENT: int
CONNECT_ERROR: int

class Packet:
    def __init__(
        self,
        packet_type: int = ...,
        data: list[_Json] | dict[str, _Json] | None = ...,
        namespace: str | None = ...,
        id: int | None = ...,
        binary: bool | None = ...,
    ) -> None: ...
    def encode(self) -> str: ...
