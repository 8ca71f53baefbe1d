from collections.abc import Iterator

from gunicorn.config import Config

class _Body:
    def read(self) -> bytes: ...

class _Request:
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: _Body
    def should_close(self) -> bool: ...

class _Unreader:
    def read(self) -> bytes: ...

class RequestParser:
    unreader: _Unreader
    def __init__(
        self, cfg: Config, source: Iterator[bytes], source_addr: tuple[str, int]
    ) -> None: ...
    def __next__(self) -> _Request: ...
