"""One connection of a client: requests in turn, until one of the two has enough."""

from __future__ import annotations

import io
from collections.abc import Callable
from time import monotonic
from typing import TypeAlias
from wsgiref.types import WSGIEnvironment

from webapp.http.answer import Answer, http_date
from webapp.http.body import ChunkedBody
from webapp.http.bounds import (
    BODY_SECONDS,
    HEAD_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    MAX_IN_CHUNKS,
    READ_AHEAD,
    too_slow,
)
from webapp.http.refusal import Refused, failed, malformed
from webapp.http.request import Request, check_begin, read_head
from webapp.http.service import HttpService
from webapp.http.stream import ClientStream, DoesNotRead, Lost, TooSlow

TAKE_OVER = "herald.take_over"
"""Where a request's environment has its ``TakeOver``."""

TakeOver: TypeAlias = Callable[[bytes], tuple[int, bytes]]
"""Sends bytes and gives the connection away: a descriptor, which the caller closes, and what the
client has sent behind the request. What the app returns afterwards is not looked at."""

HEAD_END = b"\r\n\r\n"
CR = 0x0D
HEAD = b"HEAD "
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


DECODED_A_TURN = 16_384
"""Bytes of a body in chunks: of the smallest chunks about 3 ms."""


class HttpConnection:
    """Serves one client."""

    __slots__ = (
        "_answered",
        "_awaits_first",
        "_environ",
        "_is_head",
        "_service",
        "_stream",
        "_taken",
        "_unread",
    )

    def __init__(
        self, service: HttpService, stream: ClientStream, environ: WSGIEnvironment
    ) -> None:
        """Serve ``stream``; ``environ`` is what all its requests' environments begin with."""
        self._service = service
        self._stream = stream
        self._environ = environ
        self._unread = b""
        self._awaits_first = True
        self._answered = False
        self._is_head = False
        self._taken = False
        environ[TAKE_OVER] = self._take_over

    def serve(self) -> None:
        """Serve until the end of the connection, and close it."""
        try:
            self._serve_all()
        except DoesNotRead:
            self._service.slow_readers += 1
        except Lost:
            pass
        except Exception:  # noqa: BLE001  logged
            self._service.log_failure("Error handling a connection")
        finally:
            self._environ.clear()  # it leads back here
            self._stream.close()

    def _serve_all(self) -> None:
        try:
            while (head := self._read_head()) and self._serve_one(head):
                self._awaits_first = False
                if self._unread:
                    self._stream.give_turn()
        except Refused as refusal:
            self._refuse(refusal)
        except Lost:
            raise
        except Exception:
            # Behind an answer, this one would be taken for that to the next request.
            if not self._answered:
                self._refuse(failed())
            raise

    def _refuse(self, refusal: Refused) -> None:
        service = self._service
        service.refused[refusal.code] += 1
        service.log.info(
            "Refused a request from %s: %s", self._environ["REMOTE_ADDR"], refusal.message
        )
        self._stream.begin_answer()
        self._stream.send(refusal.to_wire(http_date(), is_head=self._is_head))
        self._stream.linger(LINGER_SECONDS, LINGER_BYTES)

    # Reading

    def _read_head(self) -> bytes:
        """Return the next request up to its empty line; ``b""`` where there is none any more."""
        data = self._unread
        deadline = monotonic() + HEAD_SECONDS
        if not data:
            if self._awaits_first:
                data = self._stream.receive(deadline)
            else:
                data = self._stream.receive_next(monotonic() + self._service.keepalive)
                deadline = monotonic() + HEAD_SECONDS
        end = data.find(HEAD_END)
        if end < 0 or data[0] == CR:
            return self._read_rest_of_head(data, deadline) if data else b""
        end += len(HEAD_END)
        self._unread = data[end:]
        return data[:end]

    def _read_rest_of_head(self, begin: bytes, deadline: float) -> bytes:
        data = bytearray(begin)
        may_be_empty = True
        searched = 0
        while True:
            if may_be_empty and data.startswith(b"\r\n"):
                # RFC 9112, 2.2: some clients send one after a body.
                del data[:2]
                may_be_empty = False
            end = data.find(HEAD_END, searched)
            if end >= 0:
                break
            self._is_head = data.startswith(HEAD)
            check_begin(data)
            searched = max(0, len(data) - len(HEAD_END) + 1)
            more = self._stream.receive(deadline)
            if not more:
                return b""
            data += more
        end += len(HEAD_END)
        self._unread = bytes(data[end:])
        return bytes(data[:end])

    def _read_body(self, request: Request) -> bytes:
        if request.is_chunked:
            return self._read_chunks(request)
        # One byte more than is read ahead tells that the body is too long.
        length = min(request.length, READ_AHEAD + 1)
        data = self._unread
        if len(data) < length:
            data = self._read_rest_of_body(request, data, length)
        self._unread = data[length:]
        return data[:length]

    def _read_rest_of_body(self, request: Request, begin: bytes, length: int) -> bytes:
        deadline = self._await_body(request)
        parts, size = [begin], len(begin)
        while size < length:
            parts.append(self._receive_body(deadline))
            size += len(parts[-1])
        return b"".join(parts)

    def _read_chunks(self, request: Request) -> bytes:
        body = ChunkedBody(READ_AHEAD, MAX_IN_CHUNKS)
        self._decode(body, self._unread)
        if body.wants_more:
            deadline = self._await_body(request)
            while body.wants_more:
                self._decode(body, self._receive_body(deadline))
        return body.take()

    def _decode(self, body: ChunkedBody, data: bytes) -> None:
        behind = b""
        for at in range(0, len(data), DECODED_A_TURN):
            if not body.wants_more:
                behind += data[at:]
                break
            self._stream.give_turn()
            behind = body.feed(data[at : at + DECODED_A_TURN])
        self._unread = behind

    def _await_body(self, request: Request) -> float:
        if request.awaits_continue:
            self._stream.send(CONTINUE)
        return monotonic() + BODY_SECONDS

    def _receive_body(self, deadline: float) -> bytes:
        self._stream.give_turn()
        try:
            data = self._stream.receive(deadline)
        except TooSlow:
            self._service.slow_bodies += 1
            raise too_slow() from None
        if not data:
            raise malformed("the connection ended before the body did")
        return data

    # Answering

    def _serve_one(self, head: bytes) -> bool:
        """Serve a request, and say whether another one may follow."""
        self._is_head = head.startswith(HEAD)
        request = read_head(head, self._environ.copy())
        service = self._service
        service.requests += 1
        service.requests_open += 1
        try:
            return self._answer(request, self._read_body(request))
        finally:
            # Here and not before: a drain waits for it.
            service.requests_open -= 1

    def _answer(self, request: Request, body: bytes) -> bool:
        service, environ = self._service, request.environ
        environ["wsgi.input"] = io.BytesIO(body)
        is_whole = len(body) <= READ_AHEAD
        answer = Answer(
            self._stream.send,
            is_head=environ["REQUEST_METHOD"] == "HEAD",
            is_http_1_1=request.is_http_1_1,
            keeps_alive=request.keeps_alive
            and is_whole
            and service.keepalive > 0
            and not service.is_stopping,
        )
        began = monotonic()
        self._stream.begin_answer()
        self._run_app(environ, answer)
        if self._taken:
            return False
        self._answered = True
        if service.logs_access:
            service.log_access(answer, environ, began)
        if not is_whole:
            self._stream.linger(LINGER_SECONDS, LINGER_BYTES)
        self._answered = False
        return answer.keeps_alive

    def _run_app(self, environ: WSGIEnvironment, answer: Answer) -> None:
        try:
            pieces = self._service.app(environ, answer.start_response)
            try:
                if not self._taken:
                    answer.send_body(pieces)
            finally:
                close = getattr(pieces, "close", None)
                if close is not None:
                    close()
        except Lost:
            raise
        except (Exception, SystemExit) as error:
            path = environ["RAW_URI"].partition("?")[0]
            self._service.log_failure(f"Error handling request {environ['REQUEST_METHOD']} {path}")
            if answer.head_sent or self._taken:
                raise Lost from error  # cut, so that nobody takes it for whole
            raise failed() from error

    def _take_over(self, data: bytes) -> tuple[int, bytes]:
        self._stream.send(data)
        self._taken = True
        unread, self._unread = self._unread, b""
        return self._stream.hand_over(), unread
