"""A standard error that nobody waits for."""

import os
from io import TextIOWrapper
from pathlib import Path

from webapp.stderr import PromptOutput


def read_all(descriptor: int) -> str:
    """Return what is in the pipe; its other end must be closed."""
    with open(descriptor, encoding="utf-8") as pipe:
        return pipe.read()


def test_a_pipe_that_nobody_reads() -> None:
    """What has no room is dropped at once, and told as soon as there is room again."""
    reading, writing = os.pipe()
    output = PromptOutput(writing)
    text = TextIOWrapper(output, encoding="utf-8", line_buffering=True)
    lines = 0
    while not output.dropped:
        print("x" * 999, file=text)
        lines += 1
    print("dropped", file=text)
    assert output.dropped == 2
    taken = os.read(reading, 1 << 20).decode()
    assert taken.count("\n") == lines - 1
    print("heard", file=text)
    os.close(writing)
    assert read_all(reading) == "Herald: 2 messages are missing here: nobody read them\nheard\n"


def test_a_file_gets_everything(tmp_path: Path) -> None:
    """Where there is always room nothing is left out, however long."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        output = PromptOutput(file.fileno())
        print("ö" * 100_000, file=TextIOWrapper(output, encoding="utf-8", line_buffering=True))
    assert path.read_text() == "ö" * 100_000 + "\n"
    assert output.dropped == 0
