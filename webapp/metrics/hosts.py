"""Figures of the other hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logger_lib import JsonObject
from webapp.metrics.families import Figures, counter, counters, gauge, gauges

if TYPE_CHECKING:
    from webapp.hosts.link import HostLink, HostStatus


class HostFigures:
    """Reads what the line to the other hosts counts."""

    def __init__(self, link: HostLink) -> None:
        self._link = link

    def seen(self) -> JsonObject:
        """Return what is known of the hosts, for who asks whether Herald is well."""
        status = self._link.status()
        told: JsonObject = {
            "id": self._link.host,
            "state": status.state,
            "others": status.others,
            "waiting": status.waiting,
            "givenUp": status.given_up,
            "missed": status.missed,
            "unreached": status.unreached,
            "early": status.early,
            "failures": status.failures,
            "malformed": status.malformed,
            "undone": status.undone,
            "leftOut": status.left_out,
            "unsaid": status.unsaid,
            "withheld": status.withheld,
            "again": status.again,
            "beginnings": status.beginnings,
            "died": status.died,
        }
        if status.out_since is not None:
            told["since"] = status.out_since.isoformat()
        return told

    def collect(self) -> Figures:
        """Return the figures."""
        status = self._link.status()
        yield gauge("herald_hosts_others", "Other hosts that are alive.", status.others)
        yield gauges(
            "herald_hosts_state",
            "1 for the state of the line to the others.",
            "state",
            {name.replace(" ", "_"): name == status.state for name in type(status).STATES},
        )
        yield gauge("herald_hosts_waiting", "Events that wait for Redis.", status.waiting)
        yield gauge(
            "herald_hosts_outbox_bytes",
            "What these take, and those not all have answered.",
            status.outbox_bytes,
        )
        yield gauge("herald_hosts_outbox_limit_bytes", "What they may take.", status.max_bytes)
        yield from _totals(status)


def _totals(status: HostStatus) -> Figures:
    yield counter(
        "herald_hosts_early_total",
        "Events that the sockets here were given before Redis had them.",
        status.early,
    )
    yield counter(
        "herald_hosts_unreached_total",
        "Events whose publisher was told of hosts that had not answered.",
        status.unreached,
    )
    yield counters(
        "herald_hosts_lost_total",
        "Events that hosts never got: other hosts those of this one, or this one theirs.",
        "by",
        {"given_up": status.given_up, "missed": status.missed},
    )
    yield counter(
        "herald_hosts_appended_again_total",
        "Events appended again, as Redis had lost them.",
        status.again,
    )
    yield counter(
        "herald_hosts_malformed_total",
        "Entries that no host of this version has written.",
        status.malformed,
    )
    yield counters(
        "herald_hosts_left_out_total",
        "Answers and messages between hosts that were not passed on.",
        "why",
        {"no_room": status.left_out, "unsaid": status.unsaid, "withheld": status.withheld},
    )
    yield counter("herald_hosts_undone_total", "Entries that failed here.", status.undone)
    yield counter(
        "herald_hosts_beginnings_total",
        "How often the stream was found to have begun anew.",
        status.beginnings,
    )
    yield counter("herald_hosts_died_total", "Hosts that ended without a word.", status.died)
