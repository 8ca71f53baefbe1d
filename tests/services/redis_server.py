"""A Redis of the test's own: it may be stopped, frozen and filled."""

import shutil
import signal
import subprocess
import tempfile
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from tests.services.databases import absent
from tests.services.herald import free_port, wait_until

STOP_SECONDS = 10.0


class RedisServer:
    """One ``redis-server`` on a free port, which keeps nothing on disk."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        binary = shutil.which("redis-server")
        if binary is None:
            absent("no redis-server is installed")
        self._process = subprocess.Popen(
            [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            cwd=self._directory.name,
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers, "an answer of Redis")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.thaw()
        self._server.terminate()
        self._server.wait(STOP_SECONDS)
        self._directory.cleanup()

    def freeze(self) -> None:
        """Have it take connections and answer none."""
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._server.send_signal(signal.SIGCONT)

    @property
    def _server(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def _answers(self) -> bool:
        with Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False
