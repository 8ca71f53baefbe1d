"""The console's files, as they are packaged: read at first use, told apart by what is in them."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).parent / "static"

PAGE = "index.html"
"""The page itself, which has no address of its own below ``PREFIX``."""

PREFIX = "/console/"
"""Before the name of a file, in its address and where the page names it."""

_BUILD = "build-"
"""What the name of a build begins with, where an address has one."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
    "": "text/plain; charset=utf-8",
}
_PACKED_ALREADY = frozenset({".png", ".woff2"})
_REFERENCE = re.compile(rf'((?:src|href)="){re.escape(PREFIX)}')


class Asset:
    """One file."""

    def __init__(self, suffix: str, content: bytes) -> None:
        self.content = content
        self.content_type = _TYPES.get(suffix, "application/octet-stream")
        self._is_packed = suffix in _PACKED_ALREADY

    @cached_property
    def etag(self) -> str:
        """What tells it from what it was before."""
        return hashlib.sha256(self.content).hexdigest()[:32]

    @cached_property
    def gzipped(self) -> bytes | None:
        """The content for who takes gzip; ``None`` where that is not smaller."""
        if self._is_packed:
            return None
        smaller = gzip.compress(self.content, compresslevel=9, mtime=0)
        return smaller if len(smaller) < len(self.content) else None


class Assets:
    """All files in ``folder``, which the package brings along: nothing else can be asked for.

    They are kept in memory, each as it is and compressed.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def find(self, name: str) -> Asset | None:
        """Return the file of this name, which may have that of a build before it."""
        return self._files.get(_plain(name))

    def is_of_build(self, name: str, version: str | None) -> bool:
        """Say whether an address names this very build, so that its answer never changes.

        It does in ``version`` (``?v=…``), or before the name of the file.
        """
        return self.build in {version, _build_in(name)}

    @cached_property
    def page(self) -> Asset:
        """The page, with the addresses of this build's files.

        Modules and styles that these name by relative addresses are of the same build.
        """
        text = self._all[PAGE].content.decode()
        return Asset(".html", _REFERENCE.sub(rf"\g<1>{PREFIX}{_BUILD}{self.build}/", text).encode())

    @cached_property
    def build(self) -> str:
        """The name of what all files together are."""
        digest = hashlib.sha256()
        for name, asset in sorted(self._all.items()):
            digest.update(f"{name} {asset.etag}\n".encode())
        return digest.hexdigest()[:16]

    @cached_property
    def _files(self) -> Mapping[str, Asset]:
        return {name: asset for name, asset in self._all.items() if name != PAGE}

    @cached_property
    def _all(self) -> Mapping[str, Asset]:
        return {
            path.relative_to(self._folder).as_posix(): Asset(path.suffix, path.read_bytes())
            for path in sorted(self._folder.rglob("*"))
            if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
        }


def _plain(name: str) -> str:
    return name.partition("/")[2] if name.startswith(_BUILD) else name


def _build_in(name: str) -> str | None:
    first, _, rest = name.partition("/")
    return first.removeprefix(_BUILD) if rest and first.startswith(_BUILD) else None
