"""How much Python a call runs: its work, counted and not timed."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from types import BuiltinFunctionType, FrameType

from logger_lib import JsonValue


class _Count:
    """Counts bytecode instructions, anew from each ``time.sleep``."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    def trace(self, frame: FrameType, event: str, _detail: JsonValue) -> Trace:
        """Take note of a frame, and be called for each of its instructions and for no line."""
        if event == "call":
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        return self.count

    def count(self, _frame: FrameType, event: str, _detail: JsonValue) -> Trace:
        if event == "opcode":
            self.now += 1
        return self.count

    def profile(self, _frame: FrameType, _event: str, called: BuiltinFunctionType) -> None:
        if called is time.sleep:
            self.end_turn()

    def end_turn(self) -> None:
        self.most = max(self.most, self.now)
        self.now = 0


Trace = Callable[[FrameType, str, JsonValue], "Trace"]


def most_in_a_turn(call: Callable[[], None]) -> int:
    """Return how many instructions ``call`` runs at most until it gives others their turn."""
    count = _Count()
    trace, profile = sys.gettrace(), sys.getprofile()
    # Whoever looks on at collections, as hypothesis does, would be counted.
    gc.disable()
    sys.setprofile(count.profile)
    sys.settrace(count.trace)
    try:
        call()
    finally:
        sys.settrace(trace)
        sys.setprofile(profile)
        gc.enable()
    count.end_turn()
    return count.most
