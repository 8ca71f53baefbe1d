"""What is measured, of one contender in one run; ``README.md`` says what each figure means."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bench.client import LoadClient
from bench.contenders import Contender, Server

ROOM, SIDE_ROOM = "bench", "side"
QUIET_SECONDS = 3.0
"""How long no line may come before what is still missing counts as lost."""

MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is done; times in seconds."""

    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    watched: int = 1_000
    """The size at which latency, and what one stalled client does to it, is measured."""
    large_runs: int = 1
    """In how many runs the largest size is measured: connecting so many takes most of the time."""
    warm: float = 0.7
    """Before each measurement: Node compiles what runs often, and takes its time."""
    fanout: float = 1.5
    rate: float = 3.0
    stalled: float = 8.0
    publish: float = 1.5
    leave: float = 3.0
    per_second: int = 20
    event_bytes: int = 100
    side_bytes: int = 256 * 1024
    publishers: int = 8
    batch: int = 100


QUICK = Plan(
    sizes=(200,),
    watched=200,
    warm=0.2,
    fanout=0.4,
    rate=1.0,
    stalled=1.0,
    publish=0.3,
    leave=0.5,
)


@dataclass(slots=True)
class Bout:
    """The figures of one contender in one run, and what went wrong in it."""

    contender: Contender
    plan: Plan
    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Do it all: first without a line of output, then with one for every recipient."""
        for size in self.plan.sizes:
            # A fresh one each: its memory must tell of this size alone.
            with self._server(silent=True) as server:
                self._sockets(server, size)
        with self._server(silent=False) as server:
            self._publish(server)
            for size in self.plan.sizes:
                with self._connected(server, size) as client:
                    self._fanout(server, client, f"logged.{size}", lines=True)

    def run_fanout(self, size: int) -> None:
        """Do the silent fan-out alone."""
        with self._server(silent=True) as server, self._connected(server, size) as client:
            self._fanout(server, client, f"silent.{size}", lines=False)

    def _server(self, *, silent: bool) -> Server:
        return Server(self.contender, silent=silent, max_sockets=max(self.plan.sizes))

    def _sockets(self, server: Server, size: int) -> None:
        before = server.resident_bytes()
        with self._connected(server, size) as client:
            time.sleep(1.0)
            idle = server.resident_bytes()
            self.figures[f"idle_mb.{size}"] = idle / MB
            self.figures[f"socket_kb.{size}"] = (idle - before) / size / 1000
            self._fanout(server, client, f"silent.{size}", lines=False)
            if size == self.plan.watched:
                self._latency(client)
            self._leave(client, size)
        if size == self.plan.watched:
            self._stalled(server, size)

    @contextmanager
    def _connected(self, server: Server, size: int) -> Iterator[LoadClient]:
        with LoadClient(server) as client:
            answer = client.ask("connect", count=size, room=ROOM)
            if answer["connected"] != size:
                self._problem(f"{size} sockets: only {answer['connected']:.0f} connected")
            self.figures[f"connects.{size}"] = answer["connected"] / answer["seconds"]
            yield client
        self._released(server)

    def _released(self, server: Server) -> float:
        """Wait until the server has ended every connection; return how long that took."""
        began = time.monotonic()
        while server.open_ports():
            if time.monotonic() - began > 60:
                self._problem("connections are open a minute after their clients have gone")
                break
            time.sleep(0.1)
        return time.monotonic() - began

    def _fanout(self, server: Server, client: LoadClient, name: str, *, lines: bool) -> None:
        plan = self.plan
        self._fan(server, client, plan.warm, lines)
        answer, seconds = self._fan(server, client, plan.fanout, lines)
        self._check(answer, name)
        self.figures[f"fanout.{name}"] = answer["deliveries"] / seconds
        self.figures[f"fanout_ms.{name}"] = answer["p50_ms"]
        self.figures[f"client_cpu.{name}"] = answer["cpu"]

    def _fan(
        self, server: Server, client: LoadClient, seconds: float, lines: bool
    ) -> tuple[dict[str, float], float]:
        """Return the figures and the time until all was delivered, and printed where it is."""
        before, began = server.sink.lines, time.monotonic()
        answer = client.ask("fanout", seconds=seconds, size=self.plan.event_bytes, room=ROOM)
        if not lines:
            return answer, answer["seconds"]
        wanted = int(before + answer["posts"] + answer["deliveries"])
        what = f"fan-out to {answer['sockets']:.0f}"
        return answer, max(answer["seconds"], self._printed(server, wanted, began, what))

    def _printed(self, server: Server, wanted: int, began: float, what: str) -> float:
        server.sink.await_lines(wanted, QUIET_SECONDS)
        if (lost := wanted - server.sink.lines) > 0:
            self._problem(f"{what}: {lost:,} lines were never printed")
        return server.sink.last_at - began

    def _publish(self, server: Server) -> None:
        for name, batch in (("single", 1), ("batch", self.plan.batch)):
            with LoadClient(server) as client:
                for seconds in (self.plan.warm, self.plan.publish):
                    self._publish_for(server, client, seconds, name, batch)

    def _publish_for(
        self, server: Server, client: LoadClient, seconds: float, name: str, batch: int
    ) -> None:
        publishers, size = self.plan.publishers, self.plan.event_bytes
        before, began = server.sink.lines, time.monotonic()
        answer = client.ask(
            "publish", seconds=seconds, publishers=publishers, batch=batch, size=size
        )
        if answer["errors"]:
            self._problem(f"publish {name}: {answer['errors']:.0f} requests failed")
        printed = self._printed(server, int(before + answer["events"]), began, f"publish {name}")
        self.figures[f"publish.{name}"] = answer["events"] / max(answer["seconds"], printed)
        self.figures[f"publish_p99_ms.{name}"] = answer["p99_ms"]

    def _latency(self, client: LoadClient) -> None:
        plan = self.plan
        answer = client.ask(
            "rate", seconds=plan.rate, per_second=plan.per_second, size=plan.event_bytes, room=ROOM
        )
        self._check(answer, "latency")
        self.figures["latency_p50_ms"] = answer["p50_ms"]
        self.figures["latency_p99_ms"] = answer["p99_ms"]

    def _stalled(self, server: Server, size: int) -> None:
        """Measure the latency of all but one socket, before and after that one stops reading.

        It alone is in a second room, which gets big events: its buffers fill within a second.
        """
        with LoadClient(server) as client:
            client.ask("connect", count=size - 1, room=ROOM)
            client.ask("connect", count=1, room=ROOM, second_room=SIDE_ROOM)
            before = self._rate_with_side(client, self.plan.rate)
            self._check(before, "before one stalls")
            port = int(client.ask("stall", count=1)["port"])
            with Watch(server, port) as watch:
                after = self._rate_with_side(client, self.plan.stalled)
            self._check(after, "one stalled")
        self.figures["stalled_before_p99_ms"] = before["p99_ms"]
        self.figures["stalled_p99_ms"] = after["p99_ms"]
        self.figures["stalled_memory_mb"] = watch.growth / MB
        self.figures["stalled_gone_s"] = watch.gone_after
        self._released(server)

    def _rate_with_side(self, client: LoadClient, seconds: float) -> dict[str, float]:
        plan = self.plan
        return client.ask(
            "rate",
            seconds=seconds,
            per_second=plan.per_second,
            size=plan.event_bytes,
            room=ROOM,
            side_size=plan.side_bytes,
            side_room=SIDE_ROOM,
        )

    def _leave(self, client: LoadClient, size: int) -> None:
        answer = client.ask("leave", seconds=self.plan.leave)
        slowest = float("inf") if answer["errors"] else answer["health_max_ms"]
        self.figures[f"leave_health_ms.{size}"] = slowest

    def _check(self, answer: dict[str, float], what: str) -> None:
        for name in ("missing", "extra", "errors"):
            if answer[name]:
                self._problem(f"{what}: {answer[name]:,.0f} {name}")

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self.contender.title}: {text}")


class Watch:
    """Looks on while a client does not read: the server's memory, and when it ends the client."""

    PAUSE = 0.1

    def __init__(self, server: Server, port: int) -> None:
        self._server, self._port = server, port
        self._began = time.monotonic()
        self._before = server.resident_bytes()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.growth = 0
        self.gone_after = float("inf")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(self.PAUSE):
            self.growth = max(self.growth, self._server.resident_bytes() - self._before)
            if self.gone_after == float("inf") and self._port not in self._server.open_ports():
                self.gone_after = time.monotonic() - self._began
