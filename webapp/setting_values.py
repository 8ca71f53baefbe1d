"""How the values of settings are read from text.

What is refused here with a ``ValidationError`` is told as the ``must_be`` of the variable.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from limits import RateLimitItem, parse
from marshmallow import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from logger_lib.drivers import DRIVERS

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOGGER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_RATE = re.compile(r"[1-9]\d{0,8}/(?:second|minute|hour|day)")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")

_ALLOWED = re.compile(r"[^@\s]*@[^@\s]+")

WEBSOCKET, POLLING = "websocket", "polling"
"""The transports of Socket.IO that there are."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that are this one: what is sent to them goes over no network."""


def directory(value: str) -> Path:
    """Return the directory that ``value`` names, seen from where the process was started."""
    # Absolute from the start: the data must not move when something changes the directory.
    return Path(value).expanduser().absolute()


def split(value: str) -> tuple[str, ...]:
    """Return the parts of a comma list, each once, without the empty ones."""
    return tuple(dict.fromkeys(part for item in value.split(",") if (part := item.strip())))


def logger_names(value: str) -> tuple[str, ...]:
    """Return the loggers that a comma list names."""
    names = split(value)
    _require(bool(names) and all(_LOGGER_NAME.fullmatch(name) for name in names))
    return names


def origins(value: str) -> tuple[str, ...]:
    """Return the origins in a comma list, in lower case; ``*`` stands alone."""
    named = tuple(origin.lower() for origin in split(value))
    _require(named == ("*",) or all(map(_is_origin, named)))
    return named


def _is_origin(origin: str) -> bool:
    scheme, _, host = origin.partition("://")
    return scheme in {"http", "https"} and _HOST.fullmatch(host) is not None


def issuer(value: str) -> str:
    """Return the address of an issuer of sign-ins."""
    parts = urlsplit(value)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    _require(secure and bool(parts.hostname) and not (parts.query or parts.fragment))
    return value


def public_url(value: str) -> str:
    """Return the scheme and the host of an address, without a slash at the end."""
    origin = value.rstrip("/").lower()
    _require(_is_origin(origin))
    return origin


def addresses_allowed(value: str) -> tuple[str, ...]:
    """Return e-mail addresses and domains in lower case; empty where everybody may."""
    allowed = tuple(part.lower() for part in split(value))
    if allowed == ("*",):
        return ()
    _require(all(map(_ALLOWED.fullmatch, allowed)))
    return allowed


def transports(value: str) -> tuple[str, ...]:
    """Return the transports in a comma list; a WebSocket is always taken."""
    named = split(value.lower())
    _require(WEBSOCKET in named and set(named) <= {WEBSOCKET, POLLING})
    return named


def networks(value: str) -> tuple[Network, ...]:
    """Return the networks in a comma list."""
    try:
        return tuple(ipaddress.ip_network(part) for part in split(value))
    except ValueError as error:
        raise ValidationError(str(error)) from error


def database_url(value: str) -> str:
    """Return the URL of a database with the driver that Herald has for it."""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError) as error:
        raise ValidationError(str(error)) from error
    _require(url.drivername in DRIVERS and url.database not in {None, "", ":memory:"})
    return url.set(drivername=DRIVERS[url.drivername]).render_as_string(hide_password=False)


def url_of(*schemes: str) -> Callable[[str], str]:
    """Return what reads an address with one of ``schemes``."""

    def parse(value: str) -> str:
        try:
            parts = urlsplit(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        _require(parts.scheme in schemes and bool(parts.netloc or parts.scheme == "unix"))
        return value

    return parse


def rate(value: str) -> RateLimitItem | None:
    """Return a limit such as 60/minute; None for off."""
    if value == "off":
        return None
    _require(_RATE.fullmatch(value) is not None)
    return parse(value)


def _require(holds: bool) -> None:
    # The text is never seen: ``Settings`` says what the variable must be instead.
    if not holds:
        raise ValidationError("not what it must be")
