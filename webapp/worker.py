"""Herald's Gunicorn worker: a process with one event loop, for HTTP and WebSocket on one port.

Gunicorn 26 removed its eventlet worker, so this is one of our own (``worker_class`` in
``gunicorn.conf.py``). It patches before the app is imported, has each connection served by
``webapp.http``, keeps accepting after file descriptors ran out, and on SIGTERM hands over to the
app's ``Drain`` instead of waiting for WebSockets that never end.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Protocol, cast

import eventlet
from eventlet import hubs
from eventlet.greenio import GreenSocket
from eventlet.greenpool import GreenPool
from eventlet.greenthread import GreenThread
from gunicorn.sock import BaseSocket
from gunicorn.workers.base import Worker

from webapp.http.connection import HttpConnection
from webapp.http.service import Address, HttpService
from webapp.http.stream import ClientStream
from webapp.loads import Loads
from webapp.patching import patch
from webapp.settings import CannotStart
from webapp.shared_figures import SharedFigures

if TYPE_CHECKING:  # Gunicorn's master imports this module before anything is patched
    from flask import Flask

DRAIN = "herald.drain"
"""Where the worker finds the app's ``Drainable`` in ``app.extensions``."""

MEASURING = "herald.measuring"
"""Where it finds the app's ``Measured``."""

ACCEPT_PAUSE = 0.1
"""Seconds until the next try to accept after it failed: out of descriptors, as a rule."""

ACCEPTS_A_TURN = 8
"""How many connections are accepted before others get their turn, other workers among them."""

YIELD_SECONDS = 0.005
"""How long a connection is left to the other workers by one that has more than they have."""

WORKER_BOOT_ERROR = 3
"""The exit code by which Gunicorn's master knows that another try would fail alike."""

GARBAGE_THRESHOLDS = (20_000, 20, 50)
"""New objects until the collector looks at them, and how much rarer it looks at older ones."""

SWITCH_SECONDS = 0.0005
"""How long the event loop may keep a thread waiting that has come back from a disk or a database.
Python's own 5 ms would be the time of a commit several times over."""

DRAIN_SHARE = 0.75
"""The part of ``graceful_timeout`` that the drain may take: at its end Gunicorn's master kills."""

_M_ARENA_MAX = -8
"""As in glibc's malloc.h."""

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""By which Gunicorn's master ends a worker."""

EXIT_SHARE = 0.85
"""The part after which a process ends that hangs on its way out."""

SPARE_DESCRIPTORS = 200
"""Files, pipes and database connections that a worker needs besides its clients' sockets."""


class Drainable(Protocol):
    """What the worker asks of the app that it serves."""

    def sockets_open(self) -> int:
        """Return how many connections the app keeps, beside those that are served just now."""

    def serving(self, *, is_first: bool) -> None:
        """Take note that connections are accepted from now on, ``is_first``: for the first time.

        That is where no worker of this start has done so before.
        """

    def run(
        self, *, requests_open: Callable[[], int], seconds: float, beat: Callable[[], None]
    ) -> bool:
        """End all work within ``seconds``; say whether nothing was cut short."""


class Measured(Protocol):
    """What tells the figures of the app."""

    def served_by(self, http: HttpService, shared: SharedFigures | None, place: int) -> None:
        """Take note of who serves, and where it tells other workers its figures, if at all."""


class EventletWorker(Worker):
    """Serves each connection in a green thread; at most ``worker_connections`` at once."""

    loads = Loads()
    """Of all workers that this process has started or was started with."""

    figures = SharedFigures()
    """What they tell each other of how they are."""

    place: int | None = None
    """Which of them this is; the master has said so, before there was this process."""

    def init_process(self) -> None:
        """Patch, then load the app: what it imports must see the patched modules."""
        # The handlers are the master's until ``init_signals``: a stop would be taken and forgotten.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        patch()
        hubs.use_hub()
        keep_to_one_arena()
        raise_descriptor_limit(self.cfg.worker_connections + SPARE_DESCRIPTORS)
        self.yielded = 0
        # Nothing of what is loaded now is garbage; to look through it takes a tenth of the start.
        gc.disable()
        super().init_process()

    def init_signals(self) -> None:
        """Handle signals, those too that have come since the worker was forked."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def load_wsgi(self) -> None:
        """Load the app; what keeps it from starting is told without a traceback."""
        try:
            super().load_wsgi()
        except CannotStart as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(WORKER_BOOT_ERROR)

    def run(self) -> None:
        """Accept and serve until told to stop, then drain."""
        self.http = HttpService(self.wsgi, self.cfg, self.log)
        pool = GreenPool(self.cfg.worker_connections)
        acceptors = [
            eventlet.spawn(self._accept_forever, listener, pool) for listener in self.sockets
        ]
        self._say_who_serves()
        self._app_drain().serving(is_first=self.age == 1)
        settle_garbage_collector()
        sys.setswitchinterval(SWITCH_SECONDS)
        while self.alive:
            self.notify()
            self._tell_load(pool)
            self._wait_for_signal(1.0)
            self._end_if_requests_suffice()
        self._stop(acceptors, pool)

    def _end_if_requests_suffice(self) -> None:
        if self.alive and self.http.requests >= self.max_requests:
            self.log.info("Autorestarting worker after %s requests.", self.http.requests)
            self.alive = False

    def _wait_for_signal(self, seconds: float) -> None:
        # Gunicorn has the interpreter write every signal's number to this pipe, so that a signal
        # is acted on at once and not at the end of the wait.
        try:
            hubs.trampoline(self.PIPE[0], read=True, timeout=seconds, timeout_exc=TimeoutError)
            os.read(self.PIPE[0], 64)
        except TimeoutError:
            return

    def _accept_forever(self, listener: BaseSocket, pool: GreenPool) -> None:
        accepting, name = GreenSocket(listener.sock), listener.sock.getsockname()
        accepting.setblocking(False)
        while True:
            try:
                hubs.trampoline(accepting.fileno(), read=True)
                self._accept_some(accepting, name, pool)
            except BlockingIOError:
                continue  # another worker was there first, or no more are waiting
            except OSError as error:
                # Whatever it was, nobody would notice an acceptor that has died of it.
                self._say_cannot_accept(error)
                eventlet.sleep(ACCEPT_PAUSE)

    def _accept_some(self, accepting: GreenSocket, name: Address, pool: GreenPool) -> None:
        most = ACCEPTS_A_TURN
        if self.loads.is_ahead(self._tell_load(pool)):
            self.yielded += 1
            eventlet.sleep(YIELD_SECONDS)
            most = 1
        for _ in range(most):
            client, address = accepting.accept()
            pool.spawn(self._serve, GreenSocket(client), name, address)

    def _tell_load(self, pool: GreenPool) -> int:
        load = pool.running() + self._app_drain().sockets_open()
        self.loads.tell(self.age, load)
        return load

    def _serve(self, client: GreenSocket, listener: Address, address: Address) -> None:
        environ = self.http.environ_of(listener, address)
        HttpConnection(self.http, ClientStream(client), environ).serve()

    def _say_cannot_accept(self, error: OSError) -> None:
        self.http.accept_failures += 1
        if self.http.accept_failures == 1:
            self.log.error(
                "Cannot accept connections: %s. Trying again every %s s; where descriptors are "
                "short, raise the limit of open files ('ulimit -n') or lower MAX_SOCKETS.",
                error.strerror,
                ACCEPT_PAUSE,
            )

    def _stop(self, acceptors: list[GreenThread[None]], pool: GreenPool) -> None:
        end_within(self.cfg.graceful_timeout * EXIT_SHARE)
        self.loads.forget(self.age)
        for acceptor in acceptors:
            acceptor.kill()
        for listener in self.sockets:
            self._accept_waiting(listener, pool)
        self.http.is_stopping = True
        for listener in self.sockets:
            listener.close()
        self._app_drain().run(
            requests_open=lambda: self.http.requests_open,
            seconds=self.cfg.graceful_timeout * DRAIN_SHARE,
            beat=self.notify,
        )

    def _accept_waiting(self, listener: BaseSocket, pool: GreenPool) -> None:
        # The kernel took these connections before the stop; closing now would reset them.
        with suppress(OSError):
            name = listener.sock.getsockname()
            for _ in range(pool.free()):
                accepted, address = listener.sock.accept()
                pool.spawn(self._serve, GreenSocket(accepted), name, address)

    def _app_drain(self) -> Drainable:
        drain: Drainable = self._app().extensions[DRAIN]
        return drain

    def _app(self) -> Flask:
        return cast("Flask", self.wsgi)

    def _say_who_serves(self) -> None:
        measured: Measured | None = self._app().extensions.get(MEASURING)
        if measured is not None:
            is_alone = self.place is None
            measured.served_by(self.http, None if is_alone else self.figures, self.place or 0)

    def notify(self) -> None:
        """Tell the arbiter that this worker lives; drain when the arbiter does not any more."""
        super().notify()
        if self.alive and self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down")
            self.alive = False

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on SIGINT and SIGQUIT too: Ctrl-C must not lose a record."""
        self.handle_exit(sig, frame)


def end_within(seconds: float) -> None:
    """Have the process end when so many seconds are over, wherever it is then.

    On its way out the interpreter waits for locks, of which a call that hangs may hold one for
    ever. No thread would be sure to run then; the kernel's timer is.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def settle_garbage_collector() -> None:
    """Have the collector leave alone what was loaded at the start, and look less often.

    By itself it goes through every object of the process again and again, in the middle of a
    broadcast: a pause of a tenth of a second, which grows with the sockets.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    gc.enable()


def keep_to_one_arena() -> None:
    """Have the C library keep what is freed in one place for all threads.

    By itself it has an arena for each, and what the largest batch took once stays in every one of
    them: 40 MiB in ten minutes of faults. Threads that wait for the interpreter's lock gain nothing
    by arenas of their own. Elsewhere than in glibc there is nothing to be set.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def raise_descriptor_limit(needed: int) -> None:
    """Raise the soft limit of open files to ``needed``, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
