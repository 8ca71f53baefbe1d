"""What the end of the process, and its forks, ask of every open pipeline."""

import atexit
import os
import time
import weakref
from abc import ABC, abstractmethod

_EXIT_SECONDS = 1.0


class Forked(ABC):
    """Has what a forked child must not share with its parent: a lock that a thread there holds."""

    @abstractmethod
    def forget_parent(self) -> None:
        """Start anew in a forked child."""


class Buffered(Forked):
    """Holds what has not been written yet."""

    @abstractmethod
    def flush(self, timeout: float) -> bool:
        """Have what waits written within ``timeout`` seconds; say whether all is kept."""

    @abstractmethod
    def close(self, timeout: float = 1.0) -> None:
        """Flush and end within ``timeout`` seconds."""

    @abstractmethod
    def forget_parent(self) -> None:
        """Start anew in a forked child: what waits is the parent's to write and to count."""


open_pipelines: "weakref.WeakSet[Buffered]" = weakref.WeakSet()
lock_holders: "weakref.WeakSet[Forked]" = weakref.WeakSet()


def _close_forgotten() -> None:
    # First ask all, so that they write at the same time; then give each what is left of the time.
    deadline = time.monotonic() + _EXIT_SECONDS
    pipelines = list(open_pipelines)
    for pipeline in pipelines:
        pipeline.flush(0.0)
    for left, pipeline in zip(range(len(pipelines), 0, -1), pipelines, strict=True):
        pipeline.close(max(0.0, deadline - time.monotonic()) / left)


def _forget_parent() -> None:
    for each in (*lock_holders, *open_pipelines):
        each.forget_parent()


atexit.register(_close_forgotten)
if hasattr(os, "register_at_fork"):  # pragma: no branch  Windows has no fork
    os.register_at_fork(after_in_child=_forget_parent)
