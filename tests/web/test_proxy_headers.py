"""The headers of a proxy on a real server: Gunicorn must not believe them where Herald does not."""

from pathlib import Path

import requests

from tests.services.herald import HeraldServer


def handshake(server: HeraldServer, **headers: str) -> int:
    """Return the status of a handshake that a page of this server, served with TLS, would make."""
    given = {"Origin": f"https://127.0.0.1:{server.port}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    address = f"{server.url}/socket.io/?EIO=4&transport=polling"
    return requests.get(address, headers=given, timeout=10).status_code


def test_nobody_is_believed_by_default(herald: HeraldServer) -> None:
    """Neither the scheme nor the host counts that a client on this host writes into headers."""
    refused = handshake(herald)
    assert refused != 200
    for name, value in (
        ("X_Forwarded_Proto", "https"),
        ("X_Forwarded_Protocol", "ssl"),
        ("X_Forwarded_Ssl", "on"),
    ):
        assert handshake(herald, **{name: value}) == refused
    host = {"Origin": "http://evil.example", "X_Forwarded_Host": "evil.example"}
    assert handshake(herald, **host) == refused


def test_a_trusted_proxy_on_this_host(home: Path) -> None:
    """With TRUSTED_PROXIES the proxy's scheme counts."""
    with HeraldServer(home, {"TRUSTED_PROXIES": "127.0.0.0/8"}) as server:
        assert handshake(server, X_Forwarded_Proto="https") == 200
        assert handshake(server, X_Forwarded_Protocol="ssl") != 200
