"""``GET /`` and ``GET /console/…``: who gets the page, and how its files are served."""

import gzip
import http.client
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.console.conftest import PAGE
from tests.services.browser import Browser, form_in
from tests.services.herald import HeraldServer
from tests.web.conftest import refusal
from webapp.console.assets import FOLDER, Assets

FILES = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.is_file() and path.name != "index.html"
)


def get(herald: HeraldServer, path: str, **headers: str) -> requests.Response:
    """GET a path as nobody."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(herald.url + path, headers=named, allow_redirects=False, timeout=20)


def raw(herald: HeraldServer, target: str) -> tuple[int, bytes]:
    """GET a target as it is written: no client makes it shorter."""
    connection = http.client.HTTPConnection("127.0.0.1", herald.port, timeout=20)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_page_is_for_who_is_signed_in(
    herald: HeraldServer, sign_in: Callable[[], Browser]
) -> None:
    """Others are sent to the sign-in, programs are refused; what is over is over for the page."""
    sent = get(herald, "/", Accept=PAGE)
    assert (sent.status_code, sent.headers["Location"]) == (303, "/auth/login")
    refusal(get(herald, "/"), 401, "unauthorized")
    operator, elsewhere = sign_in(), sign_in()
    for browser in (operator, elsewhere):
        page = browser.get("/", Accept=PAGE)
        assert page.status_code == 200
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.headers["Cache-Control"] == "no-store"
    everywhere = {"everywhere": "true", "csrf_token": operator.csrf_token}
    assert operator.submit("/auth/logout", everywhere).ok
    assert elsewhere.get("/", Accept=PAGE).headers["Location"] == "/auth/login"


def test_a_browser_that_has_signed_in_is_shown_the_console(herald: HeraldServer) -> None:
    """A program that uses a link is sent to the profile, as ever."""
    with Browser(herald.url) as browser:
        code = herald.login_link().partition("#")[2]
        fields = form_in(browser.get("/auth/login").text)
        arrived = browser.submit("/auth/login", {"token": code, **fields}, Accept=PAGE)
        assert (arrived.status_code, arrived.headers["Location"]) == (303, "/")


def test_the_page_keeps_a_strict_policy(operator: Browser) -> None:
    """It loads its own files alone, and nothing that stands in it runs."""
    page = operator.get("/", Accept=PAGE)
    policy = page.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'"):
        assert part in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", page.text)


def test_the_page_names_files_that_never_change(operator: Browser, herald: HeraldServer) -> None:
    """Each address that it names is of this build, is there, and is kept for a year."""
    named = re.findall(r'(?:src|href)="(/console/[^"]+)"', operator.get("/", Accept=PAGE).text)
    assert named
    for address in named:
        answer = get(herald, address)
        assert answer.status_code == 200, address
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_every_packaged_file_is_served(herald: HeraldServer) -> None:
    """With a type that browsers take, to whoever asks: the sign-in needs some."""
    assert FILES
    for name in FILES:
        answer = get(herald, f"/console/{name}", Accept_Encoding="identity")
        assert answer.status_code == 200, name
        assert answer.content == (FOLDER / name).read_bytes()
        assert answer.headers["Content-Type"] != "application/octet-stream", name
        assert answer.headers["Cache-Control"] == "public, no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    script = get(herald, "/console/app.js")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_a_file_is_asked_for_again_and_not_sent_again(herald: HeraldServer) -> None:
    """By its ETag, which is another one for the compressed form; HEAD tells the same."""
    for encoding in ("identity", "gzip"):
        first = get(herald, "/console/app.js", Accept_Encoding=encoding)
        again = get(
            herald,
            "/console/app.js",
            Accept_Encoding=encoding,
            If_None_Match=first.headers["ETag"],
        )
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Cache-Control"] == "public, no-cache"
        head = requests.head(
            f"{herald.url}/console/app.js", headers={"Accept-Encoding": encoding}, timeout=20
        )
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == first.headers["Content-Length"]
        if encoding == "identity":
            plain = first
    assert first.headers["ETag"] != plain.headers["ETag"]
    changed = get(herald, "/console/app.js", If_None_Match='"of before"')
    assert changed.status_code == 200


def test_a_browser_that_takes_gzip_gets_it(tmp_path: Path) -> None:
    """What is no smaller so, or is packed already, goes as it is."""
    (tmp_path / "vendor").mkdir()
    for name, content in (
        ("index.html", b'<link href="/console/a.css"><a href="/elsewhere">'),
        ("a.css", b"a{color:red}" * 100),
        ("vendor/short.js", b"1"),
        ("vendor/a.png", b"\0" * 1000),
        (".hidden", b"secret"),
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "out.txt").symlink_to("/etc/passwd")
    assets = Assets(tmp_path)
    style = assets.find("a.css")
    assert style is not None
    assert style.gzipped is not None
    assert gzip.decompress(style.gzipped) == style.content
    for name in ("vendor/short.js", "vendor/a.png"):
        found = assets.find(name)
        assert found is not None
        assert found.gzipped is None
    for name in (".hidden", "out.txt", "index.html", "vendor", "", "../conftest.py"):
        assert assets.find(name) is None
    address = f"build-{assets.build}/a.css"
    assert assets.page.content.decode() == (
        f'<link href="/console/{address}"><a href="/elsewhere">'
    )
    assert assets.find(address) is style
    assert assets.is_of_build(address, None)
    assert assets.is_of_build("a.css", assets.build)
    for name, version in (("a.css", None), ("a.css", "old"), ("build-old/a.css", None)):
        assert not assets.is_of_build(name, version)
    (tmp_path / "a.css").write_bytes(b"a{}")
    assert Assets(tmp_path).build != assets.build


def test_a_file_of_another_build_is_not_kept(herald: HeraldServer) -> None:
    """While hosts are replaced, a page of one may ask another, which says what it has now."""
    answer = get(herald, "/console/build-0123456789abcdef/app.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, no-cache")


@pytest.mark.parametrize(
    "target",
    [
        "/console/",
        "/console/nothing.js",
        "/console/index.html",
        "/console/../app.py",
        "/console/../../../../../../etc/passwd",
        "/console/%2e%2e/views.py",
        "/console/..%2fviews.py",
        "/console/..%5cviews.py",
        "/console//etc/passwd",
        "/console/%2fetc/passwd",
        "/console/build-x/../views.py",
        "/console/build-x//etc/passwd",
        "/console/app.js%00.png",
        "/console/./app.py",
    ],
)
def test_nothing_else_can_be_asked_for(herald: HeraldServer, target: str) -> None:
    """Names are looked up among the packaged ones, never in the file system."""
    status, body = raw(herald, target)
    assert status in {400, 404, 308}
    assert b"root:" not in body
    assert b"import" not in body
