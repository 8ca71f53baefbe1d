"""What all connections of a worker share: the app, its environment, and the counts."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from datetime import timedelta
from wsgiref.types import WSGIApplication, WSGIEnvironment

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.wsgi import base_environ

from webapp.http.answer import Answer
from webapp.redaction import without_secrets

Address = tuple[str, int] | str
"""Of a TCP socket (host and port first), or the path of a Unix socket."""


class HttpService:
    """Serves one WSGI app, as the settings of Gunicorn say."""

    def __init__(self, app: WSGIApplication, cfg: Config, log: Logger) -> None:
        self.app = app
        self.log = log
        self.keepalive = float(cfg.keepalive)
        """Seconds for which a connection may wait for its next request; 0: there is none."""

        self.is_stopping = False
        """Whether connections are to end with the answer that they get next."""

        self.requests_open = 0
        self.requests = 0
        self.slow_bodies = 0
        self.slow_readers = 0
        self.accept_failures = 0
        """How often connections could not be accepted."""
        self.refused: Counter[str] = Counter()
        """How many requests were answered without the app, by the code of the refusal."""

        self.logs_access = log.access_log_enabled or bool(cfg.statsd_host)
        self._environ: WSGIEnvironment = {
            **base_environ(cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
            "SCRIPT_NAME": "",
        }

    def environ_of(self, listener: Address, client: Address) -> WSGIEnvironment:
        """Return what the environments of all requests of one connection have in common."""
        environ = self._environ.copy()
        if isinstance(listener, str):
            listener = ("localhost", 80)
        environ["SERVER_NAME"] = listener[0]
        environ["SERVER_PORT"] = str(listener[1])
        if isinstance(client, str):
            environ["REMOTE_ADDR"] = client
        else:
            environ["REMOTE_ADDR"] = client[0]
            environ["REMOTE_PORT"] = str(client[1])
        return environ

    def log_failure(self, what: str) -> None:
        """Log the exception that is being handled."""
        self.log.error("%s\n%s", what, without_secrets(traceback.format_exc()))

    def log_access(self, answer: Answer, environ: WSGIEnvironment, began: float) -> None:
        """Have Gunicorn log a request that was answered; it ``began`` at this monotonic time."""
        fields = {
            key.removeprefix("HTTP_").replace("_", "-"): value
            for key, value in environ.items()
            if key.startswith(("HTTP_", "CONTENT_"))
        }
        if environ["QUERY_STRING"]:
            shown = {name: without_secrets(environ[name]) for name in ("RAW_URI", "QUERY_STRING")}
            environ = {**environ, **shown}
        took = timedelta(seconds=time.monotonic() - began)
        self.log.access(answer, fields, environ, took)
