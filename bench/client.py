"""The load client as Python sees it: a command in, its figures out."""

import json
import select
import subprocess
from types import TracebackType
from typing import Self

from bench.build import LOAD

ANSWER_SECONDS = 180.0


class LoadFailed(Exception):
    """The load client has died, or takes for ever."""


class LoadClient:
    """One process of ``load/``; its sockets live as long as it does, on all ports in turn."""

    def __init__(self, port: int, token: str, *other_ports: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - compiled here
            [str(LOAD), ",".join(map(str, (port, *other_ports))), token],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, command: str, **options: str | float) -> dict[str, float]:
        """Have ``command`` done (see ``load/main.c``) and return its figures."""
        words = [command, *(f"{name}={value}" for name, value in options.items())]
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018 - for the types
        stdin.write(" ".join(words).encode() + b"\n")
        stdin.flush()
        if not select.select([stdout], [], [], ANSWER_SECONDS)[0]:
            raise LoadFailed(f"{words} has no end")
        line = stdout.readline()
        if not line:
            raise LoadFailed(f"the load client ended at {words}: {self._process.wait()}")
        figures: dict[str, float] = json.loads(line)
        return figures
