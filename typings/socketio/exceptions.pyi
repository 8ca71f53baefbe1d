from typing import TypeAlias

_Json: TypeAlias = "None | bool | int | float | str | list[_Json] | dict[str, _Json]"

class ConnectionError(Exception): ...

class ConnectionRefusedError(Exception):
    error_args: dict[str, _Json]
    def __init__(self, *args: _Json) -> None: ...
