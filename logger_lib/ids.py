"""Identifiers that sort by the time at which they were made."""

import random
import time

_LOW_BITS = 62
_LOW = (1 << _LOW_BITS) - 1
_VARIANT = 0b10 << _LOW_BITS
_FIRST_BITS = 73
"""One fewer than there are, so that a millisecond has room to count on."""
_STEP_BITS = 32

_milliseconds = _random = 0
_start = ""


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
