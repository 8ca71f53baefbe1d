"""A connection to Redis of one user, by which the stream of events is written or read."""

from __future__ import annotations

from typing import TypeAlias

from redis import Redis

Fields: TypeAlias = "list[bytes]"
Rows: TypeAlias = "list[tuple[bytes, Fields | None]]"

ANSWER_SECONDS = 0.2
"""How long Redis may take to be connected to, and to append what has few bytes."""


class RedisEnd:
    """Connects when it is first used: a host may start while Redis is away, and goes on without it.

    An answer may take ``seconds``. What fails raises ``RedisError``; the next call connects anew.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self._client: Redis | None = None

    @property
    def client(self) -> Redis:
        """What speaks by this connection. Raises ``RedisError`` where there can be none."""
        if self._client is None:
            self._client = _connect(self._url, self._seconds)
        return self._client

    def allow(self, seconds: float) -> None:
        """Have the next answers take up to ``seconds``."""
        connection = self.client.connection
        if connection is not None:
            connection.socket_timeout = seconds
            connection.update_current_socket_timeout(seconds)

    def close(self) -> None:
        """Disconnect; the next call connects anew."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _connect(url: str, seconds: float) -> Redis:
    client = Redis.from_url(
        url,
        single_connection_client=True,
        socket_timeout=seconds,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=None,
        protocol=2,
        driver_info=None,
    )
    # As it stands on the wire: what redis-py would make of it costs more than the reading.
    for command in ("XREAD", "XRANGE", "XREVRANGE"):
        client.set_response_callback(command, _as_it_is)
    return client


def _as_it_is(found: Rows, **options: bool) -> Rows:
    del options
    return found
