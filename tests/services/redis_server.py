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
from tests.services.herald import wait_until
from tests.services.ports import lasting_port

STOP_SECONDS = 10.0


class RedisServer:
    """One ``redis-server`` on a free port.

    It keeps nothing on disk, or with ``appendfsync`` what outlives ``kill``. With ``is_cluster`` it
    is a Redis Cluster's only node, and takes what a cluster takes.
    """

    def __init__(self, appendfsync: str | None = None, *, is_cluster: bool = False) -> None:
        self.port = lasting_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._kept = ["--appendonly", "yes", "--appendfsync", appendfsync] if appendfsync else []
        self._is_cluster = is_cluster
        if is_cluster:
            # Its other port would be this one plus 10,000, which may be none.
            bus = ["--cluster-port", str(lasting_port())]
            self._kept += ["--cluster-enabled", "yes", *bus]
        self._directory = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start it, for the first time or again, and wait until it answers."""
        binary = shutil.which("redis-server")
        if binary is None:
            absent("no redis-server is installed")
        bound = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [binary, *bound, *self._kept], cwd=self._directory.name, stdout=subprocess.DEVNULL
        )
        wait_until(self._answers, "an answer of Redis")
        if self._is_cluster:
            self._own_all_slots()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._server.kill()
        self._server.wait(STOP_SECONDS)

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

    def _own_all_slots(self) -> None:
        with Redis.from_url(self.url) as client:
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            wait_until(
                lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok",
                "a cluster that is whole",
            )

    def _answers(self) -> bool:
        with Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False
