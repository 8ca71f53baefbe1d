"""What is measured of one collector in one run; ``README.md`` says what each figure means."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bench.client import LoadClient
from bench.collectors import CollectServer, Entry
from bench.contenders import CEILING, Server

POLL_SECONDS = 0.1
QUIET_SECONDS = 5.0
"""How long none may be stored before what is missing counts as lost; hits wait for a second."""
BATCHES = {"single": 1, "batch": 50}
PUBLISHERS = 32
BARE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done; times in seconds."""

    warm: float = 2.0
    seconds: float = 8.0
    rate: float = 60.0
    per_second: int = 500
    sockets: int = 500


QUICK = Plan(warm=0.2, seconds=0.5, rate=1.0, per_second=200, sockets=50)

BARE = CEILING.name
"""Whose figures tell how far the machine and the load client are from being the limit."""


def measure_bare(plan: Plan) -> dict[str, float]:
    """Return the figures of a server that answers, and does nothing else."""
    seconds = min(plan.seconds, BARE_SECONDS)
    with (
        Server(CEILING, silent=True, max_sockets=0) as server,
        LoadClient(server.port, server.token) as client,
    ):
        load = {"seconds": seconds, "publishers": PUBLISHERS}
        most = client.ask("collect", **load)
        timed = client.ask("collect", **load, per_second=plan.per_second)
    return {
        "answered.single": most["hits"] / most["seconds"],
        "p50_ms": timed["p50_ms"],
        "p99_ms": timed["p99_ms"],
    }


@dataclass(slots=True)
class Bout:
    """One collector in one run: its figures, and what went wrong."""

    entry: Entry
    plan: Plan
    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _sent: int = 0
    """Numbers of hits, so that none is given to two."""
    _answered: int = 0

    def throughput(self) -> None:
        """As many as are answered, single ones and then in batches."""
        with self._started() as server, LoadClient(server.port, server.token) as client:
            for name, batch in BATCHES.items():
                if batch > 1 and not self.entry.is_herald:
                    continue
                for seconds in (self.plan.warm, self.plan.seconds):  # the second one counts
                    self._collect(server, client, name, batch, seconds)
            self._account(server)

    def latency(self) -> None:
        """So many a second, each timed from when it was due, while sockets are connected."""
        plan = self.plan
        with self._started() as server, LoadClient(server.port, server.token) as client:
            if self.entry.is_herald:
                connected = client.ask("connect", count=plan.sockets, room="bench")["connected"]
                if connected != plan.sockets:
                    self._problem(f"only {connected:,.0f} sockets connected")
            before = server.arrived()
            warm = self._ask(client, plan.warm, per_second=plan.per_second)
            answer = self._ask(client, plan.rate, per_second=plan.per_second)
            if answer["hits"] < plan.rate * plan.per_second - 1:
                self._problem(
                    f"{answer['hits']:,.0f} hits in {plan.rate:.0f} s: it did not keep up"
                )
            for name in ("p50_ms", "p99_ms", "max_ms"):
                self.figures[name] = answer[name]
            self.figures["cpu.rate"] = answer["cpu"]
            self._await_stored(server, before + int(warm["hits"] + answer["hits"]))
            self._account(server)

    def _started(self) -> AbstractContextManager[CollectServer]:
        return self.entry.start(self.entry.title)

    def _collect(
        self, server: CollectServer, client: LoadClient, name: str, batch: int, seconds: float
    ) -> None:
        before, began = server.arrived(), time.monotonic()
        answer = self._ask(client, seconds, batch=batch)
        arrived, at = self._await_stored(server, before + int(answer["hits"]))
        # Where all was there at the first look, the looking is not what took time.
        took = answer["seconds"] if at is None else at - began
        self.figures[f"answered.{name}"] = answer["hits"] / answer["seconds"]
        self.figures[f"stored.{name}"] = (arrived - before) / took
        self.figures[f"{name}_p99_ms"] = answer["p99_ms"]
        self.figures[f"cpu.{name}"] = answer["cpu"]

    def _ask(self, client: LoadClient, seconds: float, **options: float) -> dict[str, float]:
        answer = client.ask(
            "collect",
            seconds=seconds,
            publishers=PUBLISHERS,
            first=self._sent,
            peer=int(not self.entry.is_herald),
            **options,
        )
        self._sent = int(answer["next"])
        self._answered += int(answer["hits"])
        if answer["errors"]:
            why = f"the last with {answer['refusal']:.0f}" if answer["refusal"] else "unanswered"
            self._problem(f"{answer['errors']:,.0f} requests failed, {why}")
        return answer

    def _await_stored(self, server: CollectServer, wanted: int) -> tuple[int, float | None]:
        """Return what is stored in the end, and when the last was: None where it was at once."""
        arrived, at = server.arrived(), None
        moved = time.monotonic()
        while arrived < wanted and time.monotonic() - moved < QUIET_SECONDS:
            time.sleep(POLL_SECONDS)
            before, arrived = arrived, server.arrived()
            if arrived > before:
                at = moved = time.monotonic()
        return arrived, at

    def _account(self, server: CollectServer) -> None:
        stored, summed = server.stored(), server.summed()
        # What was stored and not answered is no loss; the request that failed is said already.
        lost, doubled = max(0, self._answered - stored.distinct), stored.hits - stored.distinct
        self.figures["lost"], self.figures["doubled"] = lost, doubled
        if lost or doubled:
            self._problem(f"of {self._answered:,} hits {lost:,} were lost, {doubled:,} doubled")
        if summed not in (None, stored.hits):
            self._problem(f"{stored.hits:,} hits are stored, and the sums tell of {summed:,}")

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self.entry.title}: {text}")
