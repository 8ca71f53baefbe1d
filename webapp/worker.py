"""Herald's Gunicorn worker: one process, one event loop, HTTP and WebSocket on one port.

Gunicorn 26 removed its eventlet worker and kept the base class that it stood on, so this is a
worker of our own (``worker_class`` in ``gunicorn.conf.py``). It patches before the app is
imported, keeps accepting after file descriptors ran out, and on SIGTERM hands over to the app's
``Drain`` instead of waiting for WebSockets that never end.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Protocol, cast

import eventlet
from eventlet import hubs
from eventlet.greenio import GreenSocket
from eventlet.greenpool import GreenPool
from eventlet.greenthread import GreenThread
from gunicorn.http.message import Request
from gunicorn.sock import BaseSocket
from gunicorn.workers.base_async import AsyncWorker

from webapp.settings import SettingsInvalid

if TYPE_CHECKING:  # Gunicorn's master imports this module before anything is patched
    from flask import Flask

DRAIN = "herald.drain"
"""Where the worker finds the app's ``Drainable`` in ``app.extensions``."""

ACCEPT_PAUSE = 0.1
"""Seconds until the next try to accept after it failed: out of descriptors, as a rule."""

WORKER_BOOT_ERROR = 3
"""The exit code by which Gunicorn's master knows that another try would fail alike."""

SPARE_DESCRIPTORS = 200
"""Files, pipes and database connections that a worker needs besides its clients' sockets."""


class Drainable(Protocol):
    """What the worker asks of the app that it serves."""

    def serving(self) -> None:
        """Take note that connections are accepted from now on."""

    def run(
        self, *, requests_open: Callable[[], int], seconds: float, beat: Callable[[], None]
    ) -> bool:
        """End all work within ``seconds``; say whether nothing was cut short."""


class EventletWorker(AsyncWorker):
    """Serves each connection in a green thread; at most ``worker_connections`` at once."""

    def init_process(self) -> None:
        """Patch, then load the app: what it imports must see the patched modules."""
        eventlet.monkey_patch()
        hubs.use_hub()
        raise_descriptor_limit(self.worker_connections + SPARE_DESCRIPTORS)
        self.requests_open = 0
        self.accept_failures = 0
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the app; settings that it cannot use are told without a traceback."""
        try:
            super().load_wsgi()
        except SettingsInvalid as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(WORKER_BOOT_ERROR)

    def run(self) -> None:
        """Accept and serve until told to stop, then drain."""
        pool = GreenPool(self.worker_connections)
        acceptors = [
            eventlet.spawn(self._accept_forever, GreenSocket(listener.sock), pool)
            for listener in self.sockets
        ]
        self._app_drain().serving()
        while self.alive:
            self.notify()
            self._wait_for_signal(1.0)
        self._stop(acceptors, pool)

    def _wait_for_signal(self, seconds: float) -> None:
        # Gunicorn has the interpreter write every signal's number to this pipe, so that a signal
        # is acted on at once and not at the end of the wait.
        try:
            hubs.trampoline(self.PIPE[0], read=True, timeout=seconds, timeout_exc=TimeoutError)
            os.read(self.PIPE[0], 64)
        except TimeoutError:
            return

    def _accept_forever(self, listener: GreenSocket, pool: GreenPool) -> None:
        while True:
            try:
                client, address = listener.accept()
            except OSError as error:
                # Whatever it was, nobody would notice an acceptor that has died of it.
                self._say_cannot_accept(error)
                eventlet.sleep(ACCEPT_PAUSE)
                continue
            pool.spawn(self.handle, listener, client, address)

    def _say_cannot_accept(self, error: OSError) -> None:
        self.accept_failures += 1
        if self.accept_failures == 1:
            self.log.error(
                "Cannot accept connections: %s. Trying again every %s s; where descriptors are "
                "short, raise the limit of open files ('ulimit -n') or lower MAX_SOCKETS.",
                error.strerror,
                ACCEPT_PAUSE,
            )

    def _stop(self, acceptors: list[GreenThread[None]], pool: GreenPool) -> None:
        for acceptor in acceptors:
            acceptor.kill()
        for listener in self.sockets:
            self._accept_waiting(listener, pool)
        eventlet.sleep(0)  # whoever was accepted last still asks the listener for its address
        for listener in self.sockets:
            listener.close()
        self._app_drain().run(
            requests_open=lambda: self.requests_open,
            seconds=float(self.cfg.graceful_timeout),
            beat=self.notify,
        )

    def _accept_waiting(self, listener: BaseSocket, pool: GreenPool) -> None:
        # The kernel took these connections before the stop; closing now would reset them.
        with suppress(OSError):
            for _ in range(pool.free()):
                client, address = listener.sock.accept()
                pool.spawn(self.handle, listener.sock, GreenSocket(client), address)

    def _app_drain(self) -> Drainable:
        app = cast("Flask", self.wsgi)
        drain: Drainable = app.extensions[DRAIN]
        return drain

    def notify(self) -> None:
        """Tell the arbiter that this worker lives; drain when the arbiter does not any more."""
        super().notify()
        if self.alive and self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down")
            self.alive = False

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on SIGINT and SIGQUIT too: Ctrl-C must not lose a record."""
        self.handle_exit(sig, frame)

    def handle(self, listener: socket.socket, client: socket.socket, addr: tuple[str, int]) -> None:
        """Serve one connection: requests in turn, or a WebSocket to its end."""
        with suppress(OSError):  # a Unix socket has no such option, and needs none
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(listener, client, addr)

    def handle_request(
        self,
        listener_name: tuple[str, int],
        req: Request,
        sock: socket.socket,
        addr: tuple[str, int],
    ) -> bool:
        """Serve one request and count it while it is open, so that a drain can wait for it."""
        self.requests_open += 1
        try:
            return super().handle_request(listener_name, req, sock, addr)
        finally:
            self.requests_open -= 1

    def is_already_handled(self, respiter: Iterable[bytes]) -> bool:
        """End the connection after a WebSocket, which was answered on the socket itself."""
        if super().is_already_handled(respiter):
            raise StopIteration
        return False

    def timeout_ctx(self) -> eventlet.Timeout:
        """Bound the wait for the next request of a kept-alive connection."""
        return eventlet.Timeout(self.cfg.keepalive or None, False)


def raise_descriptor_limit(needed: int) -> None:
    """Raise the soft limit of open files to ``needed``, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
