"""Control characters made visible, so that no text can forge a log line or colour a terminal."""

import re
from collections.abc import Iterable, Sequence

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f"  # C0 and DEL: line ends, backspace, the escape that starts a colour
    "\x80-\x9f"  # C1: some terminals take these for the same commands in one character
    "\u2028\u2029"  # line ends to JavaScript and to many viewers
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # turn the direction of what follows
    "\ud800-\udfff"  # half a character: cannot be encoded, so it would fail the write
    "]"
)


def escape(text: str) -> str:
    r"""Return ``text`` with every control character in a visible form, ``\x1b`` or ``\u2028``."""
    # What is printable holds none of them, and to ask that takes a tenth of the time of a search.
    return text if text.isprintable() else _UNSAFE.sub(_visible, text)


def escape_all(texts: Sequence[str]) -> Iterable[str]:
    """Return each of ``texts`` escaped; many clean ones take hardly longer than one."""
    return texts if "".join(texts).isprintable() else map(escape, texts)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
