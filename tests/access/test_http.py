"""The HTTP side: where the key stands, and whose word counts on where a request comes from."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Response

from webapp.access.http_key import presented_token
from webapp.access.proxies import TrustedProxies

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, None),
        ({"Authorization": "Bearer t"}, "t"),
        ({"Authorization": "bearer   t "}, "t"),
        ({"X-API-Key": " t "}, "t"),
        ({"Authorization": "Bearer a", "X-API-Key": "b"}, "a"),
        ({"Authorization": "Basic a", "X-API-Key": "b"}, "b"),
        ({"Authorization": "Bearer ", "X-API-Key": ""}, None),
        ({"Authorization": "t"}, None),
    ],
)
def test_where_the_key_stands(headers: dict[str, str], token: str | None) -> None:
    """Bearer counts first, then X-API-Key; what is empty or of another scheme is no key."""
    builder = EnvironBuilder(headers=Headers(headers), query_string="token=q")
    assert presented_token(builder.get_environ()) == token


def _app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    forwarded = [name for name in environ if name.startswith("HTTP_X_FORWARDED")]
    seen = f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"
    return Response(" ".join([seen, *forwarded]))(environ, start_response)


def _seen(remote: str, **headers: str) -> str:
    builder = EnvironBuilder(
        base_url="http://herald.local",
        headers=[(f"X-Forwarded-{name}", value) for name, value in headers.items()],
        environ_base={"REMOTE_ADDR": remote},
    )
    body, _status, _headers = run_wsgi_app(TrustedProxies(_app, _NETWORKS), builder.get_environ())
    return b"".join(body).decode()


def test_a_stranger_is_not_believed() -> None:
    """What a client writes into the headers itself changes nothing and goes no further."""
    seen = _seen("203.0.113.9", For="1.1.1.1", Proto="https", Host="evil", Port="1", Prefix="/x")
    assert seen == "203.0.113.9 http://herald.local"


def test_a_proxy_of_ours_is_believed() -> None:
    """Address and scheme are the client's, and the headers themselves are gone."""
    seen = _seen("10.0.0.1", For="203.0.113.9", Proto="https", Port="443", Prefix="/x")
    assert seen == "203.0.113.9 https://herald.local"


def test_no_proxy_is_believed_about_the_host() -> None:
    """Heroku's router hands on the X-Forwarded-Host that a client has written itself."""
    assert _seen("10.0.0.1", Proto="https", Host="evil.example") == "10.0.0.1 https://herald.local"


@pytest.mark.parametrize(
    ("entries", "client"),
    [
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("2001:db8::9, fd00::1", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, unknown", "10.0.0.1"),
        ("1.1.1.1, unknown, 10.0.0.7", "10.0.0.7"),
        (" , ", "10.0.0.1"),
    ],
)
def test_the_nearest_address_that_is_not_ours_counts(entries: str, client: str) -> None:
    """From the right, the first address that is no proxy of ours: further left may be forged."""
    assert _seen("10.0.0.1", For=entries) == f"{client} http://herald.local"


def test_the_nearest_word_counts() -> None:
    """Of several schemes the right-most is our proxy's; WebSocket schemes are HTTP's."""
    assert _seen("10.0.0.1", Proto="https, http") == "10.0.0.1 http://herald.local"
    assert _seen("10.0.0.1", Proto="wss") == "10.0.0.1 https://herald.local"
    assert _seen("10.0.0.1", Proto="gopher") == "10.0.0.1 http://herald.local"


@pytest.mark.parametrize("remote", ["::ffff:10.0.0.1", "fd00::1"])
def test_a_proxy_is_known_in_either_family(remote: str) -> None:
    """An IPv4 proxy on a socket of both families, and an IPv6 one, are recognised."""
    assert _seen(remote, For="203.0.113.9").startswith("203.0.113.9 ")


@pytest.mark.parametrize("remote", ["", "unix:/run/proxy"])
def test_no_address_is_no_proxy(remote: str) -> None:
    """A peer without an address is not trusted."""
    assert _seen(remote, For="203.0.113.9").startswith(f"{remote} ")
