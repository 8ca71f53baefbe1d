"""An HTTP server that takes what the Sentry SDK really sends, and reads its envelopes."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from logger_lib import JsonObject


class SentryReceiver:
    """Started by ``with``; ``dsn`` leads here, ``status`` is what it answers.

    It answers while ``goes_on`` is set.
    """

    def __init__(self) -> None:
        self.status = 200
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.raw: list[bytes] = []
        """The envelopes as they came, unpacked."""
        self._items: list[tuple[str, JsonObject]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def dsn(self) -> str:
        """The address to configure."""
        return f"http://public@127.0.0.1:{self._server.server_address[1]}/1"

    @property
    def events(self) -> list[JsonObject]:
        """The events received: what Sentry makes issues of."""
        return self._of_type("event")

    @property
    def logs(self) -> list[JsonObject]:
        """The structured logs received, each with its ``attributes`` as plain values."""
        logs: list[JsonObject] = []
        for payload in self._of_type("log"):
            items = payload["items"]
            assert isinstance(items, list)
            logs += [_with_plain_attributes(item) for item in items if isinstance(item, dict)]
        return logs

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop and free the port."""
        self.goes_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, body: bytes) -> int:
        """Keep one envelope and return the status to answer."""
        with self._lock:
            if self.status < 300:
                self.raw.append(body)
                self._items += _items_of(body)
            return self.status

    def _of_type(self, kind: str) -> list[JsonObject]:
        with self._lock:
            return [payload for found, payload in self._items if found == kind]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.goes_on.wait()
                self.send_response(receiver.take(body))
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: str | int) -> None:
                """Keep the requests off the test's output."""

        return Handler


def _items_of(envelope: bytes) -> list[tuple[str, JsonObject]]:
    """Return type and payload of each JSON item (develop.sentry.dev/sdk/data-model/envelopes)."""
    _, _, rest = envelope.partition(b"\n")
    items: list[tuple[str, JsonObject]] = []
    while rest.strip():
        header_line, _, rest = rest.partition(b"\n")
        header = json.loads(header_line)
        length = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        payload, rest = rest[:length], rest[length:].removeprefix(b"\n")
        items.append((header["type"], json.loads(payload)))
    return items


def _with_plain_attributes(log: JsonObject) -> JsonObject:
    attributes = log["attributes"]
    assert isinstance(attributes, dict)
    plain: JsonObject = {
        name: typed["value"] for name, typed in attributes.items() if isinstance(typed, dict)
    }
    return {**log, "attributes": plain}
