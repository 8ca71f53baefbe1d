"""What the console is of: others' work as they published it, our own that names no other host."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from webapp.console.assets import FOLDER

VENDOR = FOLDER / "vendor"
VERSIONS = json.loads((VENDOR / "versions.json").read_text())
OWN = sorted(
    path
    for path in FOLDER.rglob("*")
    if path.suffix in {".js", ".css", ".html", ".svg"} and VENDOR not in path.parents
)
MOST_LINES = 300
LOADS = re.compile(
    r"""(?:\bimport\b[^;]{0,200}?|\bfrom\s*|\bfetch\(|\bsrc=|\bhref=|\burl\()\s*["'`]?(?:https?:)?//"""
)
NAMESPACES = re.compile(r"http://www\.w3\.org/[\w/]+")
PLACEHOLDERS = {"https://example.com"}
SINKS = re.compile(
    r"\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|document\.write|\beval\("
    r"|new Function|\.cssText"
)


@pytest.mark.parametrize("name", VERSIONS)
def test_what_is_vendored_is_what_was_published(name: str) -> None:
    """Each file has the hash that is noted, no other is there, and the licence is among them."""
    noted = VERSIONS[name]
    folder = VENDOR / f"{name}-{noted['version']}"
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert found == noted["files"]
    assert noted["licence"] in (folder / "LICENSE").read_text()


def test_every_folder_is_noted() -> None:
    """Nothing is vendored that ``versions.json`` does not tell of."""
    folders = {path.name for path in VENDOR.iterdir() if path.is_dir()}
    assert folders == {f"{name}-{noted['version']}" for name, noted in VERSIONS.items()}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_our_own_files(path: Path) -> None:
    """They name no other host, make nothing of text but text, and can be read at a sitting."""
    text = NAMESPACES.sub("", path.read_text())
    assert set(re.findall(r"(?:https?:)//[^\s\"'`<>\\]+", text)) <= PLACEHOLDERS
    assert not SINKS.search(text)
    assert len(text.splitlines()) <= MOST_LINES
    if path.suffix == ".html":
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", text)


@pytest.mark.parametrize(
    "path", sorted(VENDOR.rglob("*.js")) + sorted(VENDOR.rglob("*.css")), ids=lambda path: path.name
)
def test_what_is_vendored_loads_nothing(path: Path) -> None:
    """Addresses stand in its comments and its messages; nothing is fetched from one."""
    assert not LOADS.search(path.read_text())


def test_every_module_that_is_named_is_there() -> None:
    """A module, a style or a picture that the console names is one of its files."""
    for path in OWN:
        for name in re.findall(r"(?:from|import\()\s*\"(\./[^\"]+)\"", path.read_text()):
            assert (path.parent / name).is_file(), (path.name, name)
        for name in re.findall(r"\"/console/([^\"]+\.\w+)\"", path.read_text()):
            assert (FOLDER / name).is_file(), (path.name, name)
