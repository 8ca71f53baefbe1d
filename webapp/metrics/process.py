"""Figures of the process: its loop, its HTTP, its memory, its version."""

import sys

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from logger_lib import JsonObject
from webapp.http.service import HttpService
from webapp.metrics.families import Figures, counter, counters, gauge, histogram, info
from webapp.metrics.loop_lag import LoopLag
from webapp.version import VERSION


class LoopFigures:
    """Reads how late the event loop is."""

    def __init__(self, lag: LoopLag) -> None:
        self._lag = lag

    def seen(self) -> JsonObject:
        """Return it, for who asks whether Herald is well."""
        return self._lag.seen()

    def collect(self) -> Figures:
        """Return the figures."""
        yield gauge(
            "herald_loop_lag_last_seconds",
            "How late a look of each half second came, the last time.",
            self._lag.last,
        )
        yield gauge(
            "herald_loop_lag_longest_seconds", "The most of the last minute.", self._lag.longest
        )
        yield histogram("herald_loop_lag_seconds", "How late these looks came.", self._lag.all)


class ProcessFigures:
    """Reads what the operating system and Python tell of this process, and what it is."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._python = ".".join(map(str, sys.version_info[:3]))
        # Of our own: the one that the library has by itself belongs to everybody in the process.
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def seen(self) -> JsonObject:
        """Return which process this is, for who asks whether Herald is well."""
        return {"host": self._host}

    def collect(self) -> Figures:
        """Return the figures."""
        yield info(
            "herald_build",
            "What runs here; host is what the others and /health/ready call this process.",
            {"version": VERSION, "python": self._python, "host": self._host},
        )
        yield from self._registry.collect()


class HttpFigures:
    """Reads what the worker's HTTP service counts."""

    def __init__(self, http: HttpService) -> None:
        self._http = http

    def seen(self) -> JsonObject:
        """Return what is served now, for who asks whether Herald is well."""
        return {"requestsOpen": self._http.requests_open}

    def collect(self) -> Figures:
        """Return the figures."""
        http = self._http
        yield counter("herald_http_requests_total", "Requests that were read.", http.requests)
        yield gauge("herald_http_requests_open", "Requests being served now.", http.requests_open)
        yield counter(
            "herald_http_refused_total",
            "Requests answered before the app saw them, as no good HTTP.",
            sum(http.refused.values()),
        )
        yield counters(
            "herald_http_slow_clients_total",
            "Clients that were let go, as they sent or read too slowly.",
            "when",
            {"sending": http.slow_bodies, "reading": http.slow_readers},
        )
        yield counter(
            "herald_http_accept_failures_total",
            "How often connections could not be accepted, as where descriptors are out.",
            http.accept_failures,
        )
