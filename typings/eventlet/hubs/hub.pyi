from collections.abc import Callable
from typing import Literal, ParamSpec

from eventlet.hubs.timer import Timer

_P = ParamSpec("_P")

READ: Literal["read"]
WRITE: Literal["write"]

class FdListener: ...

class BaseHub:
    def add(
        self,
        evtype: Literal["read", "write"],
        fileno: int,
        cb: Callable[[int], None],
        tb: Callable[[BaseException], None],
        mark_as_closed: Callable[[], None],
    ) -> FdListener: ...
    def remove(self, listener: FdListener) -> None: ...
    def switch(self) -> None: ...
    def schedule_call_global(
        self, seconds: float, cb: Callable[_P, None], *args: _P.args, **kw: _P.kwargs
    ) -> Timer: ...
