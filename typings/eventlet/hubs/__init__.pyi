from eventlet.hubs.hub import BaseHub

def get_hub() -> BaseHub: ...
def use_hub(mod: str | None = ...) -> None: ...
def trampoline(
    fd: int,
    read: bool | None = ...,
    write: bool | None = ...,
    timeout: float | None = ...,
    timeout_exc: type[BaseException] = ...,
) -> None: ...
