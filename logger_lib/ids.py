"""Identifiers that sort by the time at which they were made."""

import secrets
import time
import uuid

_RANDOM_BITS = 74
_last = 0


def uuid7() -> str:
    """Return a new UUIDv7 (RFC 9562, section 5.7) in its 36-character form.

    Identifiers made by one process sort in the order in which they were made, also within one
    millisecond and when the clock steps back. Python 3.14 brings ``uuid.uuid7``; until it is the
    oldest supported version this stands in for it.
    """
    global _last  # noqa: PLW0603  the order holds for the whole process
    stamp = (time.time_ns() // 1_000_000 << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS - 1)
    _last = stamp if stamp > _last else _last + 1 + secrets.randbits(32)
    milliseconds, tail = _last >> _RANDOM_BITS, _last & ((1 << _RANDOM_BITS) - 1)
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
    return str(uuid.UUID(int=value))
