"""What is measured of one, two and three hosts that share their events; ``README.md`` says more."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field

from bench.client import LoadClient
from bench.hosts_servers import Host, Spent, joined_hosts
from bench.stores import private_redis

ROOM = "bench"
CHECK_SECONDS = 5
RELEASE_SECONDS = 60.0
SHOWN_HOSTS = 3
_MICROSECONDS = 1_000_000
_WRONG = {
    "lost": "deliveries were lost",
    "doubled": "deliveries came twice",
    "disordered": "deliveries came behind later ones of the same publisher",
    "gone": "sockets were lost",
    "errors": "posts failed",
}
_MUST_BE_ZERO = {
    "missed": "events of other hosts never came to it",
    "givenUp": "of its events were given up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is done; times in seconds."""

    sockets: int = 900
    posts: int = 1_000
    """Of what must be shown: each to every socket."""
    publishers: int = 8
    warm: float = 1.0
    seconds: float = 4.0
    """How long events are published as quickly as they are answered."""
    rate: float = 5.0
    per_second: int = 20
    publish: float = 2.0
    entries: int = 1_500
    """Through Redis, for each number of readers."""
    readers: Sequence[int] = (0, 1, 2, 4, 8)
    patience: float = 30.0
    """How long nothing may come before what is missing counts as lost."""


QUICK = Plan(
    sockets=60,
    posts=60,
    publishers=4,
    warm=0.2,
    seconds=0.5,
    rate=0.5,
    publish=0.3,
    entries=100,
    readers=(0, 2),
)


@dataclass(frozen=True, slots=True)
class Group:
    """So many hosts; without Redis there is one."""

    name: str
    title: str
    hosts: int
    has_redis: bool = True


ALONE = Group("alone", "one, no Redis", 1, has_redis=False)
ONE, TWO, THREE = (
    Group(name, name, hosts) for name, hosts in (("one", 1), ("two", 2), ("three", 3))
)
GROUPS = (ALONE, ONE, TWO, THREE)


@dataclass(slots=True)
class Bout:
    """The figures of one group in one run, and what went wrong in it."""

    group: Group
    plan: Plan
    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Do it all with fresh hosts."""
        plan, group = self.plan, self.group
        with (
            private_redis() if group.has_redis else nullcontext() as redis,
            joined_hosts(group.hosts, redis, plan.sockets) as hosts,
        ):
            ports = [host.port for host in hosts]
            with LoadClient(ports[0], hosts[0].token, *ports[1:]) as client:
                connected = client.ask("connect", count=plan.sockets, room=ROOM)["connected"]
                if connected != plan.sockets:
                    self._problem(f"only {connected:,.0f} of {plan.sockets:,} sockets connected")
                self._recipients(hosts)
                if group.hosts == SHOWN_HOSTS:
                    self._show(client)
                self._throughput(client, hosts, redis)
                self._latency(client)
                self._recipients(hosts)
            self._released(hosts)
            self._publish(hosts, redis)
            self._lines(hosts)

    def _show(self, client: LoadClient) -> None:
        """So many events, each to every socket: count each delivery, and look at their order."""
        plan = self.plan
        answer = client.ask(
            "spread",
            posts=plan.posts,
            publishers=plan.publishers,
            room=ROOM,
            linger=1,
            patience=plan.patience,
        )
        self._check(answer, "what must be shown")
        if answer["answered"] != plan.posts:
            self._problem(f"{answer['answered']:,.0f} of {plan.posts:,} posts were answered")
        for name in ("posts", "deliveries", "lost", "doubled", "disordered"):
            self.figures[f"shown.{name}"] = answer[name]
        self.figures["shown.seconds"] = answer["seconds"]

    def _throughput(self, client: LoadClient, hosts: Sequence[Host], redis: str | None) -> None:
        plan = self.plan
        self._spread(client, plan.warm)
        before = Spent.until_now(hosts, redis)
        answer = self._spread(client, plan.seconds)
        spent = Spent.until_now(hosts, redis).since(before)
        self._check(answer, "throughput")
        # At least one tick: a short run may have taken less than the kernel counts.
        by_hosts, deliveries = max(0.01, sum(spent.hosts)), answer["deliveries"]
        ours = sum(spent.hosts) + spent.redis + answer["cpu_seconds"]
        whole = spent.machine + spent.idle
        self.figures |= {
            "deliveries": deliveries / answer["seconds"],
            "posts": answer["posts"] / answer["seconds"],
            "of_a_core": deliveries / by_hosts,
            "cpu.hosts": sum(spent.hosts) / answer["whole_seconds"],
            "cpu.redis": spent.redis / answer["whole_seconds"],
            "cpu.client": answer["cpu_seconds"] / answer["whole_seconds"],
            "cpu.elsewhere": max(0.0, spent.machine - ours) / answer["whole_seconds"],
            "cpu.left": spent.idle / max(0.01, whole),
            "client_us": answer["cpu_seconds"] / deliveries * _MICROSECONDS,
        }
        for number, seconds in enumerate(spent.hosts, 1):
            self.figures[f"cpu.host{number}"] = seconds / answer["whole_seconds"]

    def _latency(self, client: LoadClient) -> None:
        plan = self.plan
        answer = self._spread(client, plan.rate, per_second=plan.per_second)
        self._check(answer, "latency")
        kinds = ("post", "own", "others") if self.group.hosts > 1 else ("post", "own")
        for kind in kinds:
            for share in ("p50", "p99"):
                self.figures[f"{kind}_{share}_ms"] = answer[f"{kind}_{share}_ms"]

    def _spread(self, client: LoadClient, seconds: float, **options: float) -> dict[str, float]:
        plan = self.plan
        return client.ask(
            "spread",
            seconds=seconds,
            publishers=plan.publishers,
            room=ROOM,
            patience=plan.patience,
            **options,
        )

    def _publish(self, hosts: Sequence[Host], redis: str | None) -> None:
        """Publish at the first host, into a room where nobody is, and see what it costs each."""
        plan = self.plan
        with LoadClient(hosts[0].port, hosts[0].token) as client:
            client.ask("publish", seconds=plan.warm, publishers=plan.publishers)
            before = Spent.until_now(hosts, redis)
            answer = client.ask("publish", seconds=plan.publish, publishers=plan.publishers)
            spent = Spent.until_now(hosts, redis).since(before)
        if answer["errors"]:
            self._problem(f"publish: {answer['errors']:,.0f} posts failed")
        events = max(1.0, answer["events"])
        self.figures["publish"] = events / answer["seconds"]
        self.figures["publish_us"] = spent.hosts[0] / events * _MICROSECONDS
        if redis:
            self.figures["publish_redis_us"] = spent.redis / events * _MICROSECONDS
        if others := spent.hosts[1:]:
            self.figures["hear_us"] = sum(others) / len(others) / events * _MICROSECONDS

    def _recipients(self, hosts: Sequence[Host]) -> None:
        """Ask each host whether it reaches all the sockets: what its 202 says."""
        for host in hosts:
            told = _post(host)
            if told.get("recipients") != self.plan.sockets or "unreached" in told:
                self._problem(f"{host.contender.title}: a post was answered {told}")

    def _lines(self, hosts: Sequence[Host]) -> None:
        if not self.group.has_redis:
            return
        lines = [host.line() for host in hosts]
        for host, line in zip(hosts, lines, strict=True):
            for name, meaning in _MUST_BE_ZERO.items():
                if line.get(name):
                    self._problem(f"{host.contender.title}: {line[name]:,} {meaning}")
        self.figures["unreached"] = sum(line.get("unreached", 0) for line in lines)

    def _released(self, hosts: Sequence[Host]) -> None:
        deadline = time.monotonic() + RELEASE_SECONDS
        while any(host.open_ports() for host in hosts):
            if time.monotonic() > deadline:
                self._problem("connections are open a minute after their clients have gone")
                return
            time.sleep(0.1)

    def _check(self, answer: dict[str, float], what: str) -> None:
        for name, meaning in _WRONG.items():
            if answer[name]:
                self._problem(f"{what}: {answer[name]:,.0f} {meaning}")

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self.group.title}: {text}")


def _post(host: Host) -> dict[str, int | str | list[str]]:
    body = json.dumps({"event": "bench.check", "room": ROOM, "data": {}})
    headers = {"Authorization": f"Bearer {host.token}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", host.port, CHECK_SECONDS)) as connection:
        connection.request("POST", "/events", body, headers)
        answer: dict[str, int | str | list[str]] = json.load(connection.getresponse())
    return answer
