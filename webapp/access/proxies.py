"""Believes the headers of a reverse proxy where it is one of ours, and drops them otherwise."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from webapp.setting_values import Network

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_FOR, _PROTO = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"
_NOT_BELIEVED = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
)
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class TrustedProxies:
    """WSGI middleware: inside it the environ tells of the client, not of the proxy.

    Believed are ``X-Forwarded-For`` and ``-Proto``. Not ``-Host``: routers such as Heroku's hand on
    a client's own, and ``Host`` is right behind them. No such header goes further in any case: what
    is behind would read it by rules of its own, and its left-most value is the client's writing.
    """

    def __init__(self, app: "WSGIApplication", networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Rewrite ``environ`` and call the app."""
        pop = environ.pop
        for name in _NOT_BELIEVED:
            pop(name, None)
        client, scheme = pop(_FOR, None), pop(_PROTO, None)
        if (client or scheme) and self._trusts(_address(str(environ.get("REMOTE_ADDR", "")))):
            self._believe(str(client or ""), str(scheme or ""), environ)
        return self._app(environ, start_response)

    def _believe(self, client: str, scheme: str, environ: "WSGIEnvironment") -> None:
        nearest = self._client(_entries(client))
        if nearest is not None:
            environ["REMOTE_ADDR"] = str(nearest)
        # The right-most entry is the nearest proxy's: the others came in from outside.
        known = _SCHEMES.get(_last(scheme).lower())
        if known is not None:
            environ["wsgi.url_scheme"] = known

    def _client(self, entries: Sequence[str]) -> Address | None:
        """Return the nearest address that is not a proxy of ours; what is left of it may be forged.

        All of them ours: the left-most. One that is no address ends the search before it.
        """
        nearest: Address | None = None
        for entry in reversed(entries):
            address = _address(entry)
            if address is None:
                return nearest
            nearest = address
            if not self._trusts(address):
                return nearest
        return nearest

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _entries(header: str) -> list[str]:
    return [entry for part in header.split(",") if (entry := part.strip())]


def _last(header: str) -> str:
    entries = _entries(header)
    return entries[-1] if entries else ""


def _address(text: str) -> Address | None:
    """Read an address, also with a port as some proxies write it; None where it is none."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    # A socket that listens on both families shows IPv4 clients as ::ffff:a.b.c.d.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
