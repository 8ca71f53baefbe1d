"""A client's socket as a green thread reads and writes it: nothing waits for ever.

This is all of the package that knows of the event loop.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from time import monotonic

import eventlet
from eventlet import hubs
from eventlet.greenio import GreenSocket
from eventlet.greenthread import GreenThread
from eventlet.hubs.hub import READ, FdListener

RECEIVE_BYTES = 65_536

SEND_SECONDS = 30.0
"""How long a client may take nothing of an answer."""

SEND_RATE = 16_384
"""Bytes of an answer for which a client is granted another second: whoever takes a few now and then
would hold a place for ever."""

TURN_SECONDS = 0.002
"""How long a client is served whose next request is always there, until others get their turn."""


class Lost(Exception):
    """The client is gone."""


class TooSlow(Lost):
    """The client did not send in time."""


class DoesNotRead(Lost):
    """The client does not take what is sent to it."""


class ClientStream:
    """The connection to one client."""

    __slots__ = ("_descriptor", "_listener", "_patience", "_socket", "_turn_began", "_waiting")

    def __init__(self, client: socket.socket) -> None:
        # The socket below, which says so when it would have to wait.
        while isinstance(client, GreenSocket):
            client = client.fd
        self._socket = client
        self._descriptor = client.fileno()
        self._turn_began = monotonic()
        self._patience = SEND_SECONDS
        self._listener: FdListener | None = None
        self._waiting: GreenThread[None] | None = None
        client.setblocking(False)
        with suppress(OSError):  # a Unix socket has no such option, and needs none
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self, deadline: float) -> bytes:
        """Return what has come, or comes next: ``b""`` at the end. Raises ``Lost``."""
        while True:
            try:
                return self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                self._wait_to_read(deadline)
            except OSError as error:
                raise Lost from error

    def receive_next(self, deadline: float) -> bytes:
        """Return what comes next, as ``receive``, after others have had their turn.

        A client that was just answered has nothing to be read yet, so it is not tried first.
        """
        self._wait_to_read(deadline)
        return self.receive(deadline)

    def give_turn(self) -> None:
        """Let others have their turn where this client has had its own.

        What has come already is read without waiting, a long body as well as a next request.
        """
        if monotonic() - self._turn_began > TURN_SECONDS:
            eventlet.sleep(0)
            self._turn_began = monotonic()

    def begin_answer(self) -> None:
        """Have all the patience again with a client that does not read: this is another answer."""
        self._patience = SEND_SECONDS

    def send(self, data: bytes) -> None:
        """Send all of ``data``; raises ``Lost``."""
        sent = self._send_now(data)
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_now(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Lost from error

    def _send_rest(self, data: memoryview) -> None:
        while data:
            self._wait_to_send()
            sent = self._send_now(data)
            self._patience = min(SEND_SECONDS, self._patience + sent / SEND_RATE)
            data = data[sent:]

    def _wait_to_send(self) -> None:
        began = monotonic()
        try:
            hubs.trampoline(
                self._descriptor,
                write=True,
                timeout=max(0.0, self._patience),
                timeout_exc=DoesNotRead,
            )
        except OSError as error:
            raise Lost from error
        self._patience -= monotonic() - began

    def _wait_to_read(self, deadline: float) -> None:
        # The loop keeps its listener from one wait to the next: a client that sends a request and
        # waits for the answer costs no system call but the two that read and write.
        hub = hubs.get_hub()
        if self._listener is None:
            self._listener = hub.add(
                READ, self._descriptor, self._readable, self._obsolete, self._forget
            )
        self._waiting = eventlet.getcurrent()
        timer = hub.schedule_call_global(max(0, deadline - monotonic()), self._time_out)
        try:
            hub.switch()
        finally:
            self._waiting = None
            timer.cancel()
        self._turn_began = monotonic()

    def _readable(self, _descriptor: int) -> None:
        if self._waiting is not None:
            self._waiting.switch()
        else:
            # Sent while the app is at work: the loop would say so again and again.
            self._stop_listening()

    def _time_out(self) -> None:
        if self._waiting is not None:
            self._waiting.throw(TooSlow)

    def _obsolete(self, _error: BaseException) -> None:
        # The loop says that the descriptor was closed under it.
        if self._waiting is not None:
            self._waiting.throw(Lost)

    def _forget(self) -> None:
        self._listener = None

    def _stop_listening(self) -> None:
        if self._listener is not None:
            hubs.get_hub().remove(self._listener)
            self._listener = None

    def linger(self, seconds: float, most: int) -> None:
        """End what is sent, and read on, so that the other side gets to read what was sent last.

        Closing with unread bytes would reset the connection.
        """
        deadline = monotonic() + seconds
        with suppress(Lost, OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while most > 0 and (data := self.receive(deadline)):
                most -= len(data)
                self.give_turn()

    def hand_over(self) -> int:
        """Return the connection's descriptor, which is the caller's from now on.

        Not a second one: there may be none left.
        """
        self._stop_listening()
        return self._socket.detach()

    def close(self) -> None:
        """Close our side."""
        self._stop_listening()
        with suppress(OSError):
            self._socket.close()
