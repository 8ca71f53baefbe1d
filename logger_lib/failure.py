"""What an exception says of where a program failed, without what it was working on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from traceback import walk_tb
from types import FrameType
from typing import NamedTuple, TypedDict

_MAX_FRAMES = 50


class FrameJson(TypedDict):
    """A ``Frame`` as it is stored."""

    file: str
    line: int
    function: str


class FailureJson(TypedDict):
    """A ``Failure`` as it is stored."""

    type: str
    frames: list[FrameJson]


class Frame(NamedTuple):
    """One call of a traceback. ``file`` is the path from the top of its package."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The type of an exception and the calls that led to it, the innermost last.

    Neither its text nor any value of a variable is kept: those may hold somebody's data.
    """

    type: str
    frames: tuple[Frame, ...] = ()

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return what ``error``, which was raised, says; of many calls the last ones."""
        calls = list(walk_tb(error.__traceback__))[-_MAX_FRAMES:]
        frames = (Frame(_file(frame), line, frame.f_code.co_qualname) for frame, line in calls)
        return cls(type(error).__qualname__, tuple(frames))

    @classmethod
    def from_json(cls, stored: FailureJson) -> Failure:
        """Return what ``to_json`` was called on."""
        return cls(stored["type"], tuple(Frame(**frame) for frame in stored["frames"]))

    def to_json(self) -> FailureJson:
        """Return the form in which destinations store it."""
        frames: list[FrameJson] = [
            {"file": file, "line": line, "function": function}
            for file, line, function in self.frames
        ]
        return {"type": self.type, "frames": frames}


def _file(frame: FrameType) -> str:
    """Return the file without the directories above its package: they may name a user."""
    path = PurePath(frame.f_code.co_filename)
    depth = str(frame.f_globals.get("__name__", "")).count(".") + 1
    if path.stem == "__init__":
        depth += 1
    return "/".join(path.parts[-depth:])
