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
from bench.thresholds import STALL_SECONDS

ROOM, SIDE_ROOM = "bench", "side"
QUIET_SECONDS = 10.0
"""How long no line may come before what is still missing counts as lost."""

RELEASE_SECONDS = 60.0

SIDE_ON_THE_WAY = 2
"""How many of the big events may be on their way when the others have come."""

WRONG = {
    "missing": "deliveries were lost",
    "extra": "deliveries too many were made",
    "gone": "sockets were lost",
}

MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is done; times in seconds."""

    sizes: tuple[int, ...] = (100, 1_000)
    watched: int = 1_000
    """The size at which latency, and what one stalled client does to it, is measured."""
    large: int = 10_000
    """The size at which memory, connecting and leaving are measured too; in the first run alone."""
    warm: float = 0.7
    """Before each measurement: Node compiles what runs often, and takes its time."""
    fanout: float = 1.5
    rate: float = 5.0
    stalled: float = STALL_SECONDS
    publish: float = 1.5
    leave: float = 3.0
    per_second: int = 20
    event_bytes: int = 100
    side_bytes: int = 256 * 1024
    publishers: int = 8
    batch: int = 100

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """The sizes, the large one last."""
        return (*self.sizes, self.large)


QUICK = Plan(
    sizes=(100,),
    watched=100,
    large=300,
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
    with_large: bool
    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Do it all: first without a line of output, then with one for every recipient."""
        plan = self.plan
        with self._server(silent=True) as server:
            for size in plan.sizes:
                with self._connected(server, size) as client:
                    self._fanout(server, client, f"silent.{size}", lines=False)
                    if size == plan.watched:
                        self._latency(client)
            self._stalled(server)
        if self.with_large:
            # A fresh one: its memory must tell of this size alone.
            with self._server(silent=True) as server:
                self._large(server)
        with self._server(silent=False) as server:
            self._publish(server)
            for size in plan.all_sizes if self.with_large else plan.sizes:
                with self._connected(server, size) as client:
                    self._fanout(server, client, f"logged.{size}", lines=True)

    def run_fanout(self) -> None:
        """Do the silent fan-out to the watched size alone."""
        size = self.plan.watched
        with self._server(silent=True) as server, self._connected(server, size) as client:
            self._fanout(server, client, f"silent.{size}", lines=False)

    def _server(self, *, silent: bool) -> Server:
        return Server(self.contender, silent=silent, max_sockets=self.plan.large)

    def _large(self, server: Server) -> None:
        size, before = self.plan.large, server.resident_bytes()
        with self._connected(server, size) as client:
            time.sleep(1.0)
            idle = server.resident_bytes()
            self.figures[f"idle_mb.{size}"] = idle / MB
            self.figures[f"socket_kb.{size}"] = (idle - before) / size / 1000
            self._fanout(server, client, f"silent.{size}", lines=False)
            self._leave(client, size)

    @contextmanager
    def _connected(self, server: Server, size: int) -> Iterator[LoadClient]:
        with LoadClient(server.port, server.token) as client:
            answer = self._connect(client, size)
            # The first time counts: the server is as fresh for each contender then.
            self.figures.setdefault(f"connects.{size}", answer["connected"] / answer["seconds"])
            yield client
        self._released(server)

    def _connect(self, client: LoadClient, size: int, **rooms: str) -> dict[str, float]:
        answer = client.ask("connect", count=size, room=ROOM, **rooms)
        if answer["connected"] != size:
            self._problem(f"{size:,} sockets: only {answer['connected']:,.0f} connected")
        return answer

    def _released(self, server: Server) -> None:
        """Wait until the server has ended every connection."""
        began = time.monotonic()
        while server.open_ports():
            if time.monotonic() - began > RELEASE_SECONDS:
                self._problem("connections are open a minute after their clients have gone")
                break
            time.sleep(0.1)

    def _fanout(self, server: Server, client: LoadClient, name: str, *, lines: bool) -> None:
        plan = self.plan
        self._fan(server, client, plan.warm, name, lines)
        answer, seconds = self._fan(server, client, plan.fanout, name, lines)
        self.figures[f"fanout.{name}"] = answer["deliveries"] / seconds
        self.figures[f"fanout_ms.{name}"] = answer["p50_ms"]
        self.figures[f"client_cpu.{name}"] = answer["cpu"]

    def _fan(
        self, server: Server, client: LoadClient, seconds: float, name: str, lines: bool
    ) -> tuple[dict[str, float], float]:
        """Return the figures and the time until all was delivered, and printed where it is."""
        before, began = server.sink.lines, time.monotonic()
        answer = client.ask("fanout", seconds=seconds, size=self.plan.event_bytes, room=ROOM)
        self._check(answer, f"fan-out {name}")
        if not lines:
            return answer, answer["seconds"]
        wanted = int(before + answer["posts"] + answer["deliveries"])
        printed = self._printed(server, wanted, began, f"fan-out {name}")
        return answer, max(answer["seconds"], printed)

    def _printed(self, server: Server, wanted: int, began: float, what: str) -> float:
        server.sink.await_lines(wanted, QUIET_SECONDS)
        if (lost := wanted - server.sink.lines) > 0:
            self._problem(f"{what}: {lost:,} lines were never printed")
        if lost < 0:
            self._problem(f"{what}: {-lost:,} lines too many were printed")
        return server.sink.last_at - began

    def _publish(self, server: Server) -> None:
        for name, batch in (("single", 1), ("batch", self.plan.batch)):
            with LoadClient(server.port, server.token) as client:
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
        self._check(answer, f"publish {name}")
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

    def _stalled(self, server: Server) -> None:
        """Measure the latency of all but one socket, before and after that one stops reading.

        It alone is in a second room, which gets big events: its buffers fill within two seconds.
        What the server's memory grows by meanwhile also when it reads is not its doing.
        """
        with LoadClient(server.port, server.token) as client:
            self._connect(client, self.plan.watched - 1)
            self._connect(client, 1, second_room=SIDE_ROOM)
            self._rate_with_side(client, self.plan.warm)
            with Watch(server) as reading:
                before = self._rate_with_side(client, self.plan.stalled)
            self._check(before, "before one stalls")
            if before["side"] < before["posts"] - SIDE_ON_THE_WAY:
                self._problem("the socket that is to stall did not get its big events before")
            port = int(client.ask("stall", count=1)["port"])
            with Watch(server, port) as stalled:
                after = self._rate_with_side(client, self.plan.stalled)
            self._check(after, "one stalled")
        self.figures["stalled_before_p99_ms"] = before["p99_ms"]
        self.figures["stalled_p99_ms"] = after["p99_ms"]
        self.figures["stalled_memory_mb"] = max(0, stalled.growth - reading.growth) / MB
        if self.plan.stalled >= STALL_SECONDS:
            self.figures["stalled_gone_s"] = stalled.gone_after
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
        """Say what went wrong, if anything did, while the load client did ``what``."""
        if answer["errors"]:
            why = f"the last with {answer['refusal']:.0f}" if answer["refusal"] else "unanswered"
            self._problem(f"{what}: {answer['errors']:,.0f} requests failed, {why}")
        for name, meaning in WRONG.items():
            if answer.get(name):
                self._problem(f"{what}: {answer[name]:,.0f} {meaning}")

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self.contender.title}: {text}")


class Watch:
    """Looks on: how the server's memory grows, and when it ends the client at ``port``."""

    PAUSE = 0.1

    def __init__(self, server: Server, port: int | None = None) -> None:
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
            # Asked for in any case: the asking takes time from what is measured.
            open_ports = self._server.open_ports()
            if self.gone_after == float("inf") and self._port not in open_ports:
                self.gone_after = time.monotonic() - self._began
