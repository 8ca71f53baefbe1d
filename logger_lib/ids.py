"""Identifiers that sort by the time at which they were made."""

import random
import time
from datetime import datetime

_LOW_BITS = 62
_LOW = (1 << _LOW_BITS) - 1
_VARIANT = 0b10 << _LOW_BITS
_FIRST_BITS = 73
"""One fewer than there are, so that a millisecond has room to count on."""
_STEP_BITS = 32
_LAST_MILLISECOND = (1 << 48) - 1

_milliseconds = _random = 0
_start = ""


def earliest_id(milliseconds: int) -> str:
    """Return what sorts before every UUIDv7 of that time, in milliseconds since 1970, and later."""
    digits = f"{min(max(0, milliseconds), _LAST_MILLISECOND):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def uuid7() -> str:
    """Return a new UUIDv7 (RFC 9562, section 5.7) in its 36-character form.

    Identifiers made by one process sort in the order in which they were made, also within one
    millisecond and when the clock steps back. They tell their time and can be guessed: none is a
    secret. Python 3.14 brings ``uuid.uuid7``; until it is the oldest supported version this stands
    in for it.
    """
    global _milliseconds, _random, _start  # noqa: PLW0603 - the order is one of the whole process
    now = time.time_ns() // 1_000_000
    # Not from the system's entropy: that is a system call each, and nothing rests on it. Python
    # seeds the generator anew after a fork.
    if now > _milliseconds:
        _milliseconds, _random = now, random.getrandbits(_FIRST_BITS)
        digits = f"{now:012x}"
        _start = f"{digits[:8]}-{digits[8:]}-7"
    else:
        _random += 1 + random.getrandbits(_STEP_BITS)
    # 12 bits, the variant in 2 bits, 62 bits.
    rest = f"{_random >> _LOW_BITS << 64 | _VARIANT | _random & _LOW:019x}"
    return f"{_start}{rest[:3]}-{rest[3:7]}-{rest[7:]}"


def uuid7_at(moment: datetime) -> str:
    """Return a UUIDv7 as it might have been made at ``moment``; those of a millisecond mix."""
    rest = f"{_VARIANT | random.getrandbits(_LOW_BITS):016x}"
    start = earliest_id(int(moment.timestamp() * 1000))
    return f"{start}-7{random.getrandbits(12):03x}-{rest[:4]}-{rest[4:]}"
