class Config:
    keepalive: int
    graceful_timeout: int
    statsd_host: tuple[str, int] | None
    worker_connections: int
    workers: int
    def set(self, name: str, value: int | str | dict[str, str]) -> None: ...
