"""The JavaScript client, which is what browsers run: a Node process that the tests drive."""

import json
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from logger_lib import JsonObject, JsonValue
from tests.services.databases import absent
from tests.services.herald import wait_until

FOLDER = Path(__file__).resolve().parents[1] / "node"
INSTALL_SECONDS = 120
STOP_SECONDS = 5


def install_client() -> str:
    """Return the path of ``node``; its packages are there. Without Node the test is skipped."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        absent("Node.js is not installed")
    if not all((FOLDER / "node_modules" / name).exists() for name in _wanted()):
        command = [npm, "ci", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=FOLDER, check=True, timeout=INSTALL_SECONDS)
    return node


def _wanted() -> list[str]:
    """Return the packages that are to be there; some may be younger than what was installed."""
    told = json.loads((FOLDER / "package.json").read_text())
    return [*told["dependencies"], *told["devDependencies"]]


class NodeProcess:
    """One Node process that holds any number of sockets."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [install_client(), "client.mjs"],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._seen: dict[str, list[tuple[str, list[JsonValue]]]] = {}
        self._answers: dict[int, JsonValue] = {}
        self._calls = 0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        self._process.stdout.close()

    def open(
        self,
        url: str,
        token: str | None = None,
        transports: Sequence[str] | None = None,
        *,
        recovery: JsonValue = False,
        **options: JsonValue,
    ) -> "NodeSocket":
        """Open a socket as ``io(url, {auth: {token}, transports, …})`` does; do not wait for it."""
        auth: JsonObject = {} if token is None else {"token": token}
        if recovery:
            auth["recovery"] = True
        if auth:
            options["auth"] = auth
        if transports is not None:
            options["transports"] = list(transports)
        name = f"socket {len(self._seen)}"
        self._seen[name] = []
        self.send({"do": "open", "socket": name, "url": url, "options": options})
        return NodeSocket(self, name)

    def send(self, command: JsonObject) -> None:
        """Hand ``command`` to the driver."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def call(self, name: str, event: str, *args: JsonValue) -> JsonValue:
        """Emit ``event`` and return its acknowledgement."""
        self._calls += 1
        number = self._calls
        self.send({"id": number, "do": "call", "socket": name, "event": event, "args": list(args)})
        wait_until(lambda: number in self._answers, f"the acknowledgement of {event}")
        return self._answers.pop(number)

    def seen(self, name: str, what: str) -> list[list[JsonValue]]:
        """Return the arguments of every ``what`` that the socket ``name`` has seen so far."""
        return [args for kind, args in list(self._seen[name]) if kind == what]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "id" in said:
                self._answers[said["id"]] = said["answer"]
            else:
                self._seen[said["socket"]].append((said["what"], said["args"]))


class NodeSocket:
    """One socket of ``socket.io-client``."""

    def __init__(self, process: NodeProcess, name: str) -> None:
        self._process = process
        self._name = name

    def wait_for(self, what: str, times: int = 1, seconds: float = 10.0) -> list[JsonValue]:
        """Wait for the ``times``-th ``what``, such as ``connect``, and return its arguments."""
        wait_until(lambda: len(self.seen(what)) >= times, f"{what} ({times})", seconds)
        return self.seen(what)[times - 1]

    def connected(self, times: int = 1) -> str:
        """Wait until the socket is connected, for the ``times``-th time, and return its id."""
        return str(self.wait_for("connect", times)[0])

    def came_back(self, times: int = 2) -> bool:
        """Wait until it is connected for the ``times``-th time; return its ``recovered``."""
        return self.wait_for("connect", times)[1] is True

    def drop(self) -> None:
        """End the connection beneath the socket, which comes back by itself."""
        self._process.send({"do": "drop", "socket": self._name})

    def seen(self, what: str) -> list[list[JsonValue]]:
        """Return the arguments of every ``what`` so far."""
        return self._process.seen(self._name, what)

    def received(self, event: str) -> list[JsonValue]:
        """Return the data of every ``event`` so far, in order."""
        return [args[1] for args in self.seen("event") if args[0] == event]

    def wait_for_events(self, event: str, count: int, seconds: float = 10.0) -> list[JsonValue]:
        """Wait until ``event`` came ``count`` times and return the data of all of them."""
        wait_until(lambda: len(self.received(event)) >= count, f"{count} {event}", seconds)
        return self.received(event)

    def call(self, event: str, *args: JsonValue) -> JsonValue:
        """Emit ``event`` and return its acknowledgement."""
        return self._process.call(self._name, event, *args)

    def join(self, *rooms: str) -> None:
        """Join ``rooms``."""
        for room in rooms:
            assert self.call("join", {"room": room}) == {"ok": True, "room": room}

    def disconnect(self) -> None:
        """Say goodbye, as ``socket.disconnect()`` does."""
        self._process.send({"do": "disconnect", "socket": self._name})

    def connect(self) -> None:
        """Come back after that."""
        self._process.send({"do": "connect", "socket": self._name})

    def close(self) -> None:
        """Close the socket for good."""
        self._process.send({"do": "close", "socket": self._name})
