"""What a rate limit costs a call that goes around Flask, and what the headers for browsers do.

``python -m bench.limits`` times each way call by call and in turn, so that whatever else runs on
the machine counts as little as can be, and compares medians. It ends with 1 where one costs more
than ``BOUND_US``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from limits import RateLimitItemPerSecond

from webapp.access.meter import Meter
from webapp.access.windows import Windows
from webapp.collect.query_key import is_from_query
from webapp.http.answer import Answer
from webapp.origins import Cors, OriginCheck
from webapp.security_headers import SecurityHeaders

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BOUND_US = 10.0
CALLS = 20_000
RUNS = 5
KEY = "01a200dc-06c6-74c5-8373-25b3767662b3"
ENVIRON: WSGIEnvironment = {
    "wsgi.url_scheme": "http",
    "PATH_INFO": "/events",
    "REQUEST_METHOD": "POST",
}


def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer as the short way does."""
    del environ
    start_response("202 ACCEPTED", [("Content-Type", "application/json"), ("Content-Length", "2")])
    return [b"{}"]


def metered(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer as it does where a limit is set."""
    del environ
    told = _meter.headers(KEY) if _meter.spend(KEY) else []
    start_response(
        "202 ACCEPTED", [("Content-Type", "application/json"), ("Content-Length", "2"), *told]
    )
    return [b"{}"]


_meter = Meter(Windows(), RateLimitItemPerSecond(10**9), "publish", "too many")


def call(app: WSGIApplication) -> Callable[[], None]:
    """Return one call of ``app``, with all that makes bytes of its answer."""

    def run() -> None:
        answer = Answer(_nowhere, is_head=False, is_http_1_1=True, keeps_alive=True)
        answer.send_body(app(ENVIRON, answer.start_response))

    return run


def _nowhere(data: bytes) -> None:
    del data


def extra_us(plain: Callable[[], None], other: Callable[[], None]) -> float:
    """Return what a call of ``other`` costs more than one of ``plain``: the median of the runs."""
    return statistics.median(_extra_of_a_run(plain, other) for _ in range(RUNS))


def _extra_of_a_run(plain: Callable[[], None], other: Callable[[], None]) -> float:
    took: tuple[list[int], list[int]] = ([], [])
    for _ in range(CALLS):
        for ways, way in zip(took, (plain, other), strict=True):
            began = time.perf_counter_ns()
            way()
            ways.append(time.perf_counter_ns() - began)
    return (statistics.median(took[1]) - statistics.median(took[0])) / 1000


def main() -> int:
    """Measure, print, and say whether the bound holds."""
    plain = call(bare)
    cors = Cors(bare, OriginCheck(()), is_open=is_from_query)
    costs = {
        "headers for browsers": extra_us(plain, call(SecurityHeaders(cors))),
        "a rate limit, with its headers": extra_us(plain, call(metered)),
    }
    for what, cost in costs.items():
        sys.stdout.write(f"{what}: {cost:.1f} us a call (bound {BOUND_US:.0f})\n")
    return int(any(cost > BOUND_US for cost in costs.values()))


if __name__ == "__main__":
    sys.exit(main())
