"""The limit of ``/auth/``: users have their own, by session as by token; others their address."""

import base64
import json
from pathlib import Path

import requests

from tests.services.browser import Browser
from tests.services.herald import HeraldServer
from tests.users.test_sign_in import bearer
from tests.web.conftest import refusal


def test_users_do_not_share_their_address(home: Path) -> None:
    """Whoever uses up an address keeps nobody behind it out who is signed in."""
    with (
        HeraldServer(home, {"RATE_LIMIT_AUTH": "4/hour"}) as server,
        Browser(server.url) as operator,
        Browser(server.url) as stranger,
    ):
        link = server.command("users", "login-link").strip()
        assert operator.use_link(link).status_code == 303  # two calls of the address
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


def test_signing_in_again_gives_no_more(home: Path) -> None:
    """A user is one, however often they sign in, and so is whoever has sessions that are over."""
    with HeraldServer(home, {"RATE_LIMIT_AUTH": "4/hour"}) as server:

        def statuses(*tokens: str) -> list[int]:
            url = f"{server.url}/auth/apps"
            return [requests.get(url, headers=bearer(t), timeout=10).status_code for t in tokens]

        tokens = [server.sign_in("ada") for _ in range(3)]
        assert statuses(*tokens, *tokens) == [200, 200, 200, 200, 429, 429]
        over = [server.sign_in("eve") for _ in range(3)]
        server.command("users", "sign-out", user_id_in(over[0]))
        assert statuses(*over, *over) == [401, 401, 401, 401, 429, 429]
        # None of it was counted for the user that the sessions were of.
        assert statuses(*[server.sign_in("eve")] * 4) == [200] * 4


def test_signing_in_counts_for_the_address(home: Path) -> None:
    """Whoever is signed in begins no more sign-ins than a stranger of the same address."""
    with HeraldServer(home, {"RATE_LIMIT_AUTH": "4/hour"}) as server, Browser(server.url) as ada:
        assert ada.use_link(server.login_link()).status_code == 303
        paths = ("/auth/login", "/auth/google", "/auth/google/callback", "/auth/login")
        assert [ada.get(path).status_code for path in paths] == [200, 501, 429, 429]
        assert ada.get("/auth/apps").status_code == 200
        # The console's keys are counted with these, its page with what is read.
        token, app = ada.user_token, {"appName": "none"}
        asked = [server.post("/console/key", {**app}, token).status_code for _ in range(3)]
        assert asked == [404, 404, 429]
        assert ada.get("/").headers["RateLimit-Limit"] == "6000"


def user_id_in(token: str) -> str:
    """Return whose a user token is, unchecked."""
    claims = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])
