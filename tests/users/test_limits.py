"""The limit of ``/auth/``: users have their own, by session as by token; others their address."""

from pathlib import Path

from tests.services.browser import Browser
from tests.services.herald import HeraldServer
from tests.web.conftest import refusal


def test_users_do_not_share_their_address(home: Path) -> None:
    """Whoever uses up an address keeps nobody behind it out who is signed in."""
    with (
        HeraldServer(home, {"RATE_LIMIT_AUTH": "4/hour"}) as server,
        Browser(server.url) as operator,
        Browser(server.url) as stranger,
    ):
        link = server.command("users", "login-link").strip()
        path = link.removeprefix(f"http://localhost:{server.port}")
        assert operator.use_link(path).status_code == 303  # two calls of the address
        assert [stranger.get("/auth/login").status_code for _ in range(3)] == [200, 200, 429]
        token = str(operator.profile()["token"])
        bearer = {"Authorization": f"Bearer {token}"}
        assert stranger.get("/auth/profile", **bearer).status_code == 200
        answer = operator.get("/auth/apps")
        assert answer.headers["RateLimit-Remaining"] == "1"
        assert operator.get("/auth/apps").status_code == 200
        refusal(operator.get("/auth/apps"), 429, "too_many_requests")
        refusal(stranger.get("/auth/profile", **bearer), 429, "too_many_requests")
        # A forged token is nobody's.
        refusal(
            stranger.get("/auth/profile", Authorization=f"Bearer {token[:-9]}AAAAAAAAA"),
            429,
            "too_many_requests",
        )
