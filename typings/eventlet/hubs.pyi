def use_hub(mod: str | None = ...) -> None: ...
def trampoline(
    fd: int,
    read: bool | None = ...,
    write: bool | None = ...,
    timeout: float | None = ...,
    timeout_exc: type[BaseException] = ...,
) -> None: ...
