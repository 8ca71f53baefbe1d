"""A real OpenID Connect provider that nobody here wrote, and one that lies."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

import requests

from logger_lib import JsonObject
from tests.services.herald import free_port, wait_until

CLIENT = {"OIDC_CLIENT_ID": "herald", "OIDC_CLIENT_SECRET": "a secret of the issuer"}
SECONDS = 10.0


class Issuer:
    """``oidc-provider-mock`` in a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", "--port", str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "an answer of the issuer", 30)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(SECONDS)

    @property
    def settings(self) -> dict[str, str]:
        """What makes a Herald send its people here."""
        return {"OIDC_ISSUER": self.url, **CLIENT}

    def know(self, subject: str, **claims: str | bool) -> None:
        """Have the issuer say this of ``subject``."""
        requests.put(f"{self.url}/users/{subject}", json=claims, timeout=SECONDS).raise_for_status()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/jwks", timeout=SECONDS).ok
        except requests.ConnectionError:
            return False


@dataclass
class Lies:
    """What a lying issuer does otherwise than it should; nothing, to begin with."""

    client: str | None = None
    """Whose token the ID token is."""
    host: str | None = None
    """Under whose name it is issued."""
    metadata: JsonObject = field(default_factory=dict)
    """What it says of itself beside the truth."""
    userinfo: JsonObject | None = None
    """What it tells of whoever has signed in."""
    answer: Callable[[JsonObject], JsonObject] = field(default=lambda answer: answer)
    """Changes what the token endpoint answers."""
    silent_until: threading.Event | None = None
    """It takes requests, and answers none before."""


class LyingIssuer:
    """In front of a real issuer: hands everything on, but for its ``lies``.

    What Herald sent to the token endpoint is in ``token_requests``; ``asked`` counts all requests.
    """

    def __init__(self, behind: Issuer) -> None:
        self.lies = Lies()
        self.token_requests: list[dict[str, str]] = []
        self.asked = 0
        self._behind = behind
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def settings(self) -> dict[str, str]:
        """What makes a Herald send its people here."""
        return {"OIDC_ISSUER": self.url, **CLIENT}

    def hand_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> "Answer":
        """Ask the real issuer, and return what is to be answered."""
        self.asked += 1
        if self.lies.silent_until is not None:
            self.lies.silent_until.wait(30)
        if path == "/oauth2/token":
            self.token_requests.append(dict(parse_qsl(body.decode())))
            headers |= self._lies_about_the_token()
        answer = requests.request(
            method,
            self._behind.url + path,
            headers=headers,
            data=body,
            allow_redirects=False,
            timeout=SECONDS,
        )
        if path == "/oauth2/token":
            return Answer.of(answer, self.lies.answer(answer.json()))
        if path == "/.well-known/openid-configuration":
            return Answer.of(answer, answer.json() | self.lies.metadata)
        if path == "/userinfo" and self.lies.userinfo is not None:
            return Answer.of(answer, self.lies.userinfo)
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    def _lies_about_the_token(self) -> dict[str, str]:
        lies: dict[str, str] = {}
        if self.lies.client:
            basic = base64.b64encode(f"{self.lies.client}:secret".encode()).decode()
            lies["Authorization"] = f"Basic {basic}"
        if self.lies.host:
            lies["Host"] = self.lies.host
        return lies

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _answer(self, body: bytes) -> None:
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name not in {"Connection", "Accept-Encoding", "Content-Length"}
                }
                answer = issuer.hand_on(self.command, self.path, headers, body)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() in {"content-type", "location"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: str) -> None:
                """Say nothing."""

        return Handler


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, answer: requests.Response, body: JsonObject) -> "Answer":
        """Return ``answer`` with another body."""
        return cls(answer.status_code, dict(answer.headers), json.dumps(body).encode())
