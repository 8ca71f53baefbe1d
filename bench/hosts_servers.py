"""Several hosts of Herald on one machine, and what each takes of its processors."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from redis import Redis

from bench.contenders import HERALD, CannotStart, Server

JOIN_SECONDS = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE = slice(3, 5)
"""Of the fields of ``/proc/stat``: idle, and waiting for a disk."""

_GUESTS = 8
"""The fields behind are in others already."""


class Host(Server):
    """One of several: they share a home, as workers do, and so keys; each has a port of its own."""

    def __init__(self, number: int, redis: str | None, first: Host | None, sockets: int) -> None:
        contender = replace(HERALD, title=f"Herald, host {number}")
        super().__init__(contender, silent=True, max_sockets=sockets)
        self._first = first
        if first is not None:
            self._environ["HERALD_HOME"] = first.home
        if redis is not None:
            self._environ["REDIS_URL"] = redis

    @property
    def home(self) -> str:
        """Where its files are."""
        return self._home.name

    def _issue_key(self) -> str:
        return super()._issue_key() if self._first is None else self._first.token

    def cpu_seconds(self) -> float:
        """Return the processor time that the serving process has taken since its start."""
        fields = Path(f"/proc/{self.serving_pid()}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def line(self) -> dict[str, float]:
        """Return what it knows of the other hosts, as ``GET /health/ready`` tells: the numbers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with closing(connection):
            connection.request("GET", "/health/ready")
            told = json.load(connection.getresponse()).get("hosts", {})
        return {name: value for name, value in told.items() if isinstance(value, int)}


@contextmanager
def joined_hosts(count: int, redis: str | None, sockets: int) -> Iterator[Sequence[Host]]:
    """Yield so many hosts that know each other, each with room for all ``sockets``."""
    with ExitStack() as stack:
        hosts: list[Host] = []
        for number in range(1, count + 1):
            first = hosts[0] if hosts else None
            hosts.append(stack.enter_context(Host(number, redis, first, sockets)))
        _await_joined(hosts, redis)
        yield hosts


def _await_joined(hosts: Sequence[Host], redis: str | None) -> None:
    deadline = time.monotonic() + JOIN_SECONDS
    while redis and any(host.line().get("others") != len(hosts) - 1 for host in hosts):
        if time.monotonic() > deadline:
            raise CannotStart(f"{len(hosts)} hosts do not know each other")
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of processor time since the start of whoever took it."""

    hosts: Sequence[float]
    redis: float
    machine: float
    """All that was taken, by whomever."""
    idle: float

    @classmethod
    def until_now(cls, hosts: Sequence[Host], redis: str | None) -> Self:
        """Return what was taken by now."""
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        idle = sum(fields[_IDLE])
        return cls(
            [host.cpu_seconds() for host in hosts],
            redis_seconds(redis) if redis else 0.0,
            (sum(fields[:_GUESTS]) - idle) / _TICKS,
            idle / _TICKS,
        )

    def since(self, before: Spent) -> Spent:
        """Return what was taken since ``before``."""
        return Spent(
            [now - then for now, then in zip(self.hosts, before.hosts, strict=True)],
            self.redis - before.redis,
            self.machine - before.machine,
            self.idle - before.idle,
        )


def redis_seconds(url: str) -> float:
    """Return the processor time that a Redis has taken since its start."""
    with Redis.from_url(url) as client:
        told = client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])
