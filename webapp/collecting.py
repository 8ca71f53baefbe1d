"""The composition root's part that joins what takes hits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask import Flask

from logger_lib import SpoolPlace
from logger_lib.pipeline.dead_letters import DeadLetters
from logger_lib.pipeline.delivery import Destination
from logger_lib.pipeline.limits import Limits
from webapp.access.gate import Gate
from webapp.access.rate_limits import Kind, RateLimits
from webapp.collect.calls import PATHS as COLLECT_PATHS
from webapp.collect.calls import CallReader
from webapp.collect.collector import NAME, Collector
from webapp.collect.deletion.retention import OldHits
from webapp.collect.deletion.set_aside import HitsSetAside
from webapp.collect.hit import Hit
from webapp.collect.live import LiveHits
from webapp.collect.policies import AppPolicies
from webapp.collect.short_way import MEDIA, CollectShortWay
from webapp.collect.store.hit_store import HitStore
from webapp.collect.stream.hit_stream import HitStream
from webapp.collect.stream.lag_watch import LagWatch
from webapp.collect.views import make_collect_blueprint
from webapp.environment import EventAck
from webapp.metrics.buffers import HitFigures
from webapp.retention import Retention
from webapp.settings import Settings
from webapp.short_way import Route
from webapp.storage.database import Database


@dataclass(frozen=True, slots=True)
class Collecting:
    """The parts that take hits; what of them runs in the background, and what ends with Herald."""

    collector: Collector
    policies: AppPolicies
    set_aside: HitsSetAside
    routes: Mapping[str, Route]
    background: Sequence[Callable[[], None]]
    on_end: Mapping[str, Callable[[], None]]
    figures: HitFigures


def make_collecting(
    app: Flask,
    settings: Settings,
    *,
    database: Database,
    gate: Gate,
    limits: RateLimits,
    spool: SpoolPlace,
    live: LiveHits,
) -> Collecting:
    """Have ``app`` take hits, and return what does it; ``spool`` is where they wait on disk."""
    policies = AppPolicies(database)
    stream = HitStream(settings.redis_url) if settings.redis_url else None
    watch = LagWatch(stream) if stream else None
    destination: Destination[Hit] = stream or HitStore(database, policies)
    # Of the two that a hit goes through with Redis it is the worker that waits for others.
    delay = 0.0 if stream else settings.collect_batch_seconds
    collector = Collector(
        destination,
        spool,
        Limits(max_batch=settings.collect_batch_size, max_delay=delay),
        stored=settings.event_ack is EventAck.STORED,
        show=live.show,
    )
    reader = CallReader(policies.soon)
    app.register_blueprint(make_collect_blueprint(reader, gate, collector))
    way = CollectShortWay(reader, gate, collector, limits.meter(Kind.COLLECT))
    letters = DeadLetters(spool.dead_letters_path(NAME), NAME, spool.offload)
    return Collecting(
        collector,
        policies,
        HitsSetAside(letters, stream),
        dict.fromkeys(COLLECT_PATHS, Route(way, MEDIA)),
        background=[
            Retention(OldHits(database).delete_some, "hits").run,
            collector.wake,
            *([watch.run] if watch else []),
        ],
        on_end={"closing the stream of hits": stream.close} if stream else {},
        figures=HitFigures(collector, watch),
    )
