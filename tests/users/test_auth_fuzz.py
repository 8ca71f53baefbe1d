"""Whatever is sent to ``/auth/``, signed in or not, no database makes it a failure."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger_lib import JsonObject, JsonValue
from tests.access.test_fuzz import STATUS, cases, request, spoilt, unharmed, values, written
from tests.services.cases import SCALE
from tests.services.herald import HeraldServer
from tests.services.migrated import migrated

pytestmark = pytest.mark.timeout(90 + 60 * SCALE)


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HeraldServer]:
    """A server of the test's own on each database."""
    with migrated(request.param, tmp_path / "herald.db") as url:
        environ = {"DATABASE_URL": url, "SECRET_KEY": "k" * 32}
        with HeraldServer(tmp_path, environ) as started:
            yield started


texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "shop",
            "Shop",
            "\0",
            "a\0b",
            "\ud800",
            "\U0001f373",
            "x" * 101,
            "https://a.example",
            "é%_",
        ]
    ),
)
FIELDS = ("appName", "appUrl", "scopes", "name", "expiresInDays", "apiKey", "id", "everywhere")
calls: st.SearchStrategy[dict[str, JsonValue]] = st.dictionaries(
    st.sampled_from(FIELDS), st.one_of(texts, texts, values), max_size=4
)
good: list[JsonObject] = [
    {"appName": "shop", "appUrl": "https://a.example"},
    {"appName": "shop", "name": "backend", "expiresInDays": 1},
    {"id": "01a20257-0000-7000-8000-000000000000"},
]
bodies = st.one_of(
    calls.map(written),
    st.builds(lambda whole, part: written({**whole, **part}), st.sampled_from(good), calls),
    spoilt(st.sampled_from(good).map(written)),
)
FORM = "application/x-www-form-urlencoded"
CALLS = [
    *["POST register", "POST api-key", "POST revoke", "GET api-key"] * 4,
    *["POST logout", "POST login", "GET google/callback", "GET apps", "GET profile"],
]


def test_calls(server: HeraldServer) -> None:
    """Bodies, forms and queries, of somebody who is signed in."""
    bearer = b"Authorization: Bearer " + server.sign_in("ada").encode()
    kinds = st.sampled_from([*["application/json"] * 6, FORM, "text/plain"])
    queries = st.dictionaries(st.sampled_from(["appName", "code", "state", "everywhere"]), texts)

    with unharmed(server, "/auth/") as target:

        @cases(150)
        @given(st.sampled_from(CALLS), bodies, kinds, queries)
        def send(call: str, body: bytes, kind: str, query: dict[str, str]) -> None:
            method, path = call.split()
            asked = urlencode(query, errors="surrogatepass")
            line = f"{method} /auth/{path}?{asked} HTTP/1.1"
            fields = [f"Content-Type: {kind}".encode()]
            # Whoever signs out is not signed in any more.
            fields += [bearer] if path != "logout" else []
            assert STATUS.match(target.exchange(request(line.encode(), fields, body)))

        send()
        assert target.statuses[422] > 0
