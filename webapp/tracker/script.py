"""The tracker as it is sent: its readable source, without what only readers need."""

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

SOURCE = Path(__file__).with_name("herald.js")
COMMENT = "//"


@dataclass(frozen=True, slots=True)
class Script:
    """What a browser gets."""

    plain: bytes
    zipped: bytes
    """The same, for who takes gzip."""
    tag: str
    """Another one for each other content."""


@cache
def script() -> Script:
    """Return the tracker, which is read and compressed when it is first asked for."""
    plain = without_comments(SOURCE.read_text(encoding="utf-8")).encode()
    return Script(plain, gzip.compress(plain, mtime=0), sha256(plain).hexdigest()[:16])


def without_comments(source: str) -> str:
    """Return ``source`` without its lines of comment, its empty lines and its indentation.

    Lines stay lines, so that nothing about the language need be known but what the source
    promises: a comment has lines of its own, and no text or template goes over several.
    """
    lines = (line.strip() for line in source.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(COMMENT))
