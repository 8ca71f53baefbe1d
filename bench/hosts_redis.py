"""What an entry of the hosts' stream costs Redis: to be appended, and to be read by so many."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench.hosts_servers import redis_seconds
from bench.stores import private_redis
from webapp.hosts.host_stream import HostStream, Item

PAUSE = 0.001
"""Between two appends, so that a reader is woken for every entry, as it is where few come."""

BATCH = 100
"""As many as one read brings at most."""

EVENT_BYTES = 500
"""Header and packet of a usual event."""

_MICROSECONDS = 1_000_000
_READ_SECONDS = 10.0


class Reader:
    """Reads the stream as a host does, on a thread of its own, until it has seen all."""

    def __init__(self, url: str, number: int) -> None:
        self._stream = HostStream(url, f"reader-{number}")
        self._stream.begin(0.0)
        self.seen = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            self.seen += len(self._stream.read().rows)

    def close(self) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()
        self._stream.close()


def stream_costs(entries: int, readers: Sequence[int]) -> dict[str, float]:
    """Return microseconds of Redis for an entry, one by one and in batches, by ``readers``."""
    figures: dict[str, float] = {}
    for count in readers:
        figures[f"single.{count}"] = _cost(entries, 1, count)
        figures[f"batch.{count}"] = _cost(entries * 10, BATCH, count)
    return figures


def _cost(entries: int, batch: int, readers: int) -> float:
    header, packet = b"h" * (EVENT_BYTES // 2), b"p" * (EVENT_BYTES // 2)
    entries -= entries % batch
    with private_redis() as url, ExitStack() as stack:
        heard = [stack.enter_context(_reader(url, number)) for number in range(readers)]
        writer = HostStream(url, "writer")
        stack.callback(writer.close)
        before = redis_seconds(url)
        for first in range(0, entries, batch):
            items = [Item(first + at + 1, header, packet) for at in range(batch)]
            writer.append(first, items, ())
            time.sleep(PAUSE)
        deadline = time.monotonic() + _READ_SECONDS
        while any(reader.seen < entries for reader in heard) and time.monotonic() < deadline:
            time.sleep(PAUSE)
        return (redis_seconds(url) - before) / entries * _MICROSECONDS


@contextmanager
def _reader(url: str, number: int) -> Iterator[Reader]:
    reader = Reader(url, number)
    try:
        yield reader
    finally:
        reader.close()
