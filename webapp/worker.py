"""Herald's Gunicorn worker: one process, one event loop, HTTP and WebSocket on one port.

Gunicorn 26 removed its eventlet worker and kept the base class that it stood on, so this is a
worker of our own (``worker_class`` in ``gunicorn.conf.py``). It patches before the app is
imported, keeps accepting after file descriptors ran out, and on SIGTERM hands over to the app's
``Drain`` instead of waiting for WebSockets that never end.
"""

from __future__ import annotations

import gc
import io
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import eventlet
from eventlet import corolocal, hubs
from eventlet.greenio import GreenSocket
from eventlet.greenpool import GreenPool
from eventlet.greenthread import GreenThread
from gunicorn.http.message import Request
from gunicorn.sock import BaseSocket
from gunicorn.workers.base_async import AsyncWorker

from webapp.settings import CannotStart

if TYPE_CHECKING:  # Gunicorn's master imports this module before anything is patched
    from flask import Flask

TOO_SLOW = b'{"error":{"code":"request_timeout","message":"the body came too slowly: try again"}}'

DRAIN = "herald.drain"
"""Where the worker finds the app's ``Drainable`` in ``app.extensions``."""

ACCEPT_PAUSE = 0.1
"""Seconds until the next try to accept after it failed: out of descriptors, as a rule."""

WORKER_BOOT_ERROR = 3
"""The exit code by which Gunicorn's master knows that another try would fail alike."""

HEADER_SECONDS = 10.0
"""How long a new connection may take to send its first request's head."""

BODY_SECONDS = 10.0
"""How long a request's body may take to come in, all of it."""

READ_AHEAD = 2 * 1_048_576
"""How much of a body is read before the app is called: more than the app takes (1 MiB)."""

LINGER_SECONDS = 2.0
LINGER_BYTES = 16 * 1_048_576
"""What is still read of a body that is too long, so that its sender gets to read the refusal."""

TURN_SECONDS = 0.002
"""How long requests are served before others get their turn."""

GARBAGE_THRESHOLDS = (20_000, 20, 50)
"""New objects until the collector looks at them, and how much rarer it looks at older ones."""

DRAIN_SHARE = 0.8
"""The part of ``graceful_timeout`` that the drain may take: at its end Gunicorn's master kills."""

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
        self.slow_bodies = 0
        self._turn_began = 0.0
        self._connection = corolocal.local()
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the app; what keeps it from starting is told without a traceback."""
        try:
            super().load_wsgi()
        except CannotStart as error:
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
        settle_garbage_collector()
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
            seconds=self.cfg.graceful_timeout * DRAIN_SHARE,
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
        self._connection.is_new = True
        super().handle(listener, client, addr)

    def handle_request(
        self,
        listener_name: tuple[str, int],
        req: Request,
        sock: socket.socket,
        addr: tuple[str, int],
    ) -> bool:
        """Serve one request and count it while it is open, so that a drain can wait for it."""
        self._connection.is_new = False
        self.requests_open += 1
        rest = req.body
        try:
            if not self._read_body(req, sock):
                self._refuse_slow_body(sock)
            keep = self._answer(listener_name, req, sock, addr)
            if req.body.getbuffer().nbytes > READ_AHEAD:
                self._read_rest(rest)
                raise StopIteration
            return keep
        finally:
            self.requests_open -= 1
            self._give_turn()

    def _give_turn(self) -> None:
        # A client that always has its next request ready would be served alone: reading what is
        # there already does not wait, and only who waits lets the others have their turn.
        if time.monotonic() - self._turn_began > TURN_SECONDS:
            eventlet.sleep(0)
            self._turn_began = time.monotonic()

    def _answer(
        self,
        listener_name: tuple[str, int],
        req: Request,
        sock: socket.socket,
        addr: tuple[str, int],
    ) -> bool:
        corked = CorkedSocket(sock)
        try:
            keep = super().handle_request(listener_name, req, cast("socket.socket", corked), addr)
        except StopIteration:  # answered, and the connection is to be closed
            corked.flush()
            raise
        corked.flush()
        return keep

    def _read_body(self, req: Request, sock: socket.socket) -> bool:
        # Here and not in the app, so that who sends slowly holds a connection and nothing else.
        if any(name == "EXPECT" for name, _ in req.headers):
            req.headers = [header for header in req.headers if header[0] != "EXPECT"]
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        with eventlet.Timeout(BODY_SECONDS, False):
            req.body = io.BytesIO(req.body.read(READ_AHEAD + 1))
            return True
        return False

    def _refuse_slow_body(self, sock: socket.socket) -> NoReturn:
        self.slow_bodies += 1
        sock.sendall(
            b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(TOO_SLOW), TOO_SLOW)
        )
        raise StopIteration

    def _read_rest(self, body: io.BytesIO) -> None:
        left = LINGER_BYTES
        with eventlet.Timeout(LINGER_SECONDS, False):
            while left > 0 and (read := len(body.read(READ_AHEAD))):
                left -= read

    def is_already_handled(self, respiter: Iterable[bytes]) -> bool:
        """End the connection after a WebSocket, which was answered on the socket itself."""
        if super().is_already_handled(respiter):
            raise StopIteration
        return False

    def timeout_ctx(self) -> eventlet.Timeout:
        """Bound the wait for the head of the next request."""
        wait = HEADER_SECONDS if self._connection.is_new else self.cfg.keepalive
        return eventlet.Timeout(wait or None, False)


class CorkedSocket:
    """A client's socket to which the head and the body of a small answer go in one system call.

    Gunicorn sends them in two, and the second is a fifth of what a small answer costs.
    """

    MOST_KEPT = 65_536

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._kept: list[bytes] = []
        self._size = 0
        self.fileno = client.fileno
        self.shutdown = client.shutdown
        self.close = client.close

    def sendall(self, data: bytes) -> None:
        """Keep ``data`` for the flush, or send it with all that was kept when that is much."""
        self._kept.append(data)
        self._size += len(data)
        if self._size > self.MOST_KEPT:
            self.flush()

    def flush(self) -> None:
        """Send what was kept."""
        if self._kept:
            data = b"".join(self._kept)
            self._kept.clear()
            self._size = 0
            self._client.sendall(data)


def settle_garbage_collector() -> None:
    """Have the collector leave alone what was loaded at the start, and look less often.

    By itself it goes through every object of the process again and again, in the middle of a
    broadcast: a pause of a tenth of a second, which grows with the sockets.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def raise_descriptor_limit(needed: int) -> None:
    """Raise the soft limit of open files to ``needed``, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
