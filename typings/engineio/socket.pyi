class Socket:
    sid: str
    closed: bool
    closing: bool
    connected: bool
    upgraded: bool
    def close(self, wait: bool = ..., abort: bool = ..., reason: str | None = ...) -> None: ...
