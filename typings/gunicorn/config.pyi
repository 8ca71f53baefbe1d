class Config:
    keepalive: int
    graceful_timeout: int
    def set(self, name: str, value: int) -> None: ...
