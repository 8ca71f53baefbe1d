"""Lines of text on disk that tell whether they are whole.

A line is the CRC-32 of its text in eight hexadecimal digits, a space, and the text. A reader that
meets one that is cut off or damaged goes on at the next line end.
"""

import zlib

_DIGITS = 8


def to_line(text: str) -> bytes:
    """Return the line of ``text``, which must be without line ends."""
    content = text.encode("utf-8", "surrogatepass")
    return b"%08x %b\n" % (zlib.crc32(content), content)


def from_line(line: bytes) -> str | None:
    """Return the text of ``line``, given without its line end; None if it is not whole."""
    digits, content = line[:_DIGITS], line[_DIGITS + 1 :]
    if line[_DIGITS : _DIGITS + 1] != b" " or digits != b"%08x" % zlib.crc32(content):
        return None
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
