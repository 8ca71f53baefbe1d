"""``GET /herald.js`` as browsers and caches get it."""

import gzip
import subprocess

import requests

from tests.services.herald import HeraldServer
from tests.services.node import install_client
from webapp.tracker.script import SOURCE, script, without_comments

MOST_BYTES = 3_000


def fetch(server: HeraldServer, encoding: str, **headers: str) -> requests.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(
        f"{server.url}/herald.js",
        headers={"Accept-Encoding": encoding, **given},
        timeout=10,
        stream=True,
    )


def test_it_is_small(herald: HeraldServer) -> None:
    """Under 3 KB on the wire, and the same script for who takes no gzip."""
    with fetch(herald, "gzip, br") as zipped, fetch(herald, "identity") as plain:
        sent = zipped.raw.read()
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert len(sent) == int(zipped.headers["Content-Length"]) < MOST_BYTES
        assert gzip.decompress(sent) == plain.content
        for answer in (zipped, plain):
            assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_any_page_loads_and_keeps_it(herald: HeraldServer) -> None:
    """It is kept for an hour, then asked for by its tag; pages that isolate themselves take it."""
    tags = set()
    for encoding in ("gzip", "identity"):
        with fetch(herald, encoding) as answer:
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "public, max-age=3600"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
            assert "Accept-Encoding" in answer.headers["Vary"]
            tag = answer.headers["ETag"]
        tags.add(tag)
        with fetch(herald, encoding, If_None_Match=tag) as again:
            assert again.status_code == 304
            assert again.content == b""
        with fetch(herald, encoding, If_None_Match='"another"') as another:
            assert another.status_code == 200
    assert len(tags) == 2, "the two forms are not the same bytes"
    head = requests.head(f"{herald.url}/herald.js", timeout=10)
    assert (head.status_code, head.content) == (200, b"")


def test_only_comments_are_left_out() -> None:
    """What is sent has every line of the source that says something, in order, and parses."""
    source = SOURCE.read_text(encoding="utf-8")
    kept = without_comments(source).splitlines()
    left_out = [line.strip() for line in source.splitlines() if line.strip() not in kept]
    assert all(not line or line.startswith("//") for line in left_out)
    assert len(left_out) > 20
    assert "`" not in source, "a template may go over several lines, of which one may begin with //"
    checked = subprocess.run(
        [install_client(), "--check", "-"],
        input=script().plain,
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert checked.returncode == 0, checked.stderr
