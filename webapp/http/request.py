"""The head of a request becomes a WSGI environment, or is refused.

llhttp reads it, in its strict mode. What it lets pass and Gunicorn's own parser does not is refused
here, and what two servers in a row could read in two ways.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.types import WSGIEnvironment

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from webapp.http.bounds import MAX_FIELDS, MAX_HEAD, MAX_LINE, head_too_long, target_too_long
from webapp.http.fields import FIELD_KEYS, environ_key
from webapp.http.refusal import Refused, malformed

METHODS = {
    name.encode(): name
    for name in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE")
}
BEGINS = frozenset({b"", b"\r", *(method[:1] for method in METHODS)})
"""The bytes with which a request can begin."""

VERSIONS = {b"HTTP/1.1": "HTTP/1.1", b"HTTP/1.0": "HTTP/1.0"}
MAX_LENGTH_DIGITS = 19
"""Of a ``Content-Length``: what 64 bits hold."""

ONCE = frozenset({"HTTP_HOST", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"})
"""Fields of which a second one would leave open which of the two counts."""

_METHOD = re.compile(rb"[A-Z0-9!$%&'*+.^_`|~-]+")
_VERSION = re.compile(rb"HTTP/\d\.\d")
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


class Request:
    """One request whose head was read."""

    __slots__ = ("awaits_continue", "environ", "is_chunked", "is_http_1_1", "keeps_alive", "length")

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.environ = environ
        self.is_http_1_1 = True
        self.keeps_alive = True
        """Whether the client wants to send another request after this one."""

        self.length = 0
        """Bytes of the body, where it is not chunked."""

        self.is_chunked = False
        self.awaits_continue = False
        """Whether the client waits to be told to before it sends the body."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field from the parser."""
        key = FIELD_KEYS.get(name)
        if key is None:
            key = environ_key(name)
        if not key:
            return
        text = value.rstrip(b" \t").decode("latin-1")
        environ = self.environ
        if key not in environ:
            environ[key] = text
        elif key in ONCE:
            raise malformed(f"send {name.decode('latin-1')} once")
        else:
            environ[key] += "," + text


def check_begin(data: bytes | bytearray) -> None:
    """Refuse the begin of a head whose end could not mend it, as soon as that is seen."""
    if bytes(data[:1]) not in BEGINS:
        raise malformed("this is not HTTP/1.1")
    if data.count(b"\n") != data.count(b"\r\n"):
        raise malformed("end each line with CR LF")
    if len(data) > MAX_LINE and data.find(b"\r\n", 0, MAX_LINE + 2) < 0:
        raise target_too_long()
    if len(data) > MAX_HEAD:
        raise head_too_long()


def read_head(head: bytes, environ: WSGIEnvironment) -> Request:
    """Return the request of ``head``, its empty line included, and write it into ``environ``.

    Raises ``Refused``.
    """
    if len(head) > MAX_LINE:
        _check_size(head)
    if head.count(b"\r\n") > MAX_FIELDS + 2:
        raise head_too_long()
    request = Request(environ)
    target = _read_line(head[: head.find(b"\r\n")], request)
    try:
        HttpRequestParser(request).feed_data(head)
    except HttpParserUpgrade:
        pass  # said by the parser where a head asks for an upgrade: the app decides about it
    except HttpParserCallbackError as error:
        raise error.__context__ or error from None
    except HttpParserError as error:
        raise malformed(f"this is not HTTP/1.1: {error}") from None
    if not target.startswith("/"):
        target = _origin_form(target, environ)
    _take_target(target, environ)
    _take_fields(request, environ)
    return request


def _check_size(head: bytes) -> None:
    line, *fields = head.split(b"\r\n")
    if len(line) > MAX_LINE:
        raise target_too_long()
    if len(head) > MAX_HEAD or any(len(field) + 2 > MAX_LINE for field in fields):
        raise head_too_long()


def _read_line(line: bytes, request: Request) -> str:
    environ = request.environ
    try:
        method, raw_target, version = line.split(b" ")
    except ValueError:
        raise malformed("a request begins with a method, a target and HTTP/1.1") from None
    known_method, known_version = METHODS.get(method), VERSIONS.get(version)
    if known_version is None:
        if _VERSION.fullmatch(version):
            raise Refused(
                "505 HTTP Version Not Supported", "http_version_not_supported", "speak HTTP/1.1"
            )
        raise malformed("a request line ends with HTTP/1.1")
    if known_method is None:
        if _METHOD.fullmatch(method):
            raise Refused("501 Not Implemented", "not_implemented", "send GET or POST")
        raise malformed("this is no method: send GET or POST")
    target = raw_target.decode("latin-1")
    if not (target.isascii() and target.isprintable()):
        raise malformed("percent-encode what is not printable ASCII")
    request.is_http_1_1 = version == b"HTTP/1.1"
    environ["REQUEST_METHOD"] = known_method
    environ["SERVER_PROTOCOL"] = known_version
    environ["RAW_URI"] = target
    return target


def _origin_form(target: str, environ: WSGIEnvironment) -> str:
    if target == "*" and environ["REQUEST_METHOD"] == "OPTIONS":
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        raise malformed("the target is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise malformed("a target begins with a slash")
    # RFC 9112, 3.2.2: the target's host counts. One that differs is somebody's attempt at us or
    # at a proxy before us.
    if parts.netloc.lower() != environ.get("HTTP_HOST", parts.netloc).lower():
        raise malformed("the target's host is not that of the Host header")
    rest = target.partition("://")[2].removeprefix(parts.netloc)
    return rest if rest.startswith("/") else f"/{rest}"


def _take_target(target: str, environ: WSGIEnvironment) -> None:
    if "#" in target:
        target = target.partition("#")[0]
    path, _, environ["QUERY_STRING"] = target.partition("?")
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path


def _take_fields(request: Request, environ: WSGIEnvironment) -> None:
    host = environ.get("HTTP_HOST")
    if host is None:
        if request.is_http_1_1:
            raise malformed("send a Host header")
    elif not _HOST.fullmatch(host):
        raise malformed("the Host header names no host")
    connection = environ.get("HTTP_CONNECTION")
    if connection is None:
        request.keeps_alive = request.is_http_1_1
    elif connection != "keep-alive":
        wishes = {wish.strip(" \t") for wish in connection.lower().split(",")}
        request.keeps_alive = "close" not in wishes and (
            request.is_http_1_1 or "keep-alive" in wishes
        )
    if "CONTENT_LENGTH" in environ:
        request.length = _length_of(environ["CONTENT_LENGTH"])
    if "HTTP_TRANSFER_ENCODING" in environ:
        _take_coding(request, environ)
    if "HTTP_EXPECT" in environ:
        _take_expectation(request, environ)


def _length_of(text: str) -> int:
    # Python reads no number of thousands of digits, and zeros before it make none of them longer.
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_LENGTH_DIGITS:
        raise malformed("Content-Length is a number of bytes")
    return int(text)


def _take_coding(request: Request, environ: WSGIEnvironment) -> None:
    if "CONTENT_LENGTH" in environ or not request.is_http_1_1:
        raise malformed("send Transfer-Encoding with HTTP/1.1, and without Content-Length")
    if environ["HTTP_TRANSFER_ENCODING"].lower() != "chunked":
        raise Refused(
            "501 Not Implemented", "not_implemented", "of transfer codings only chunked is known"
        )
    request.is_chunked = True


def _take_expectation(request: Request, environ: WSGIEnvironment) -> None:
    if environ.pop("HTTP_EXPECT").lower() != "100-continue":
        raise Refused(
            "417 Expectation Failed", "expectation_failed", "expect 100-continue or nothing"
        )
    request.awaits_continue = request.is_http_1_1
