"""Identifiers that sort by the time at which they were made."""

import random
import time

_RANDOM_BITS = 74
_STEP_BITS = 32
_last = 0


def uuid7() -> str:
    """Return a new UUIDv7 (RFC 9562, section 5.7) in its 36-character form.

    Identifiers made by one process sort in the order in which they were made, also within one
    millisecond and when the clock steps back. They tell their time and can be guessed: none is a
    secret. Python 3.14 brings ``uuid.uuid7``; until it is the oldest supported version this stands
    in for it.
    """
    global _last  # noqa: PLW0603 - the order is one of the whole process
    # Not from the system's entropy: that is a system call each, and nothing rests on it. Python
    # seeds the generator anew after a fork.
    stamp = time.time_ns() // 1_000_000 << _RANDOM_BITS | random.getrandbits(_RANDOM_BITS - 1)
    _last = stamp if stamp > _last else _last + 1 + random.getrandbits(_STEP_BITS)
    # 12 digits of time, version 7, 12 bits, the variant in 2 bits, 62 bits.
    tail = f"{0x8 << 60 | _last & (1 << 62) - 1:016x}"
    middle = _last >> 62 & 0xFFF
    milliseconds = f"{_last >> _RANDOM_BITS:012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}-7{middle:03x}-{tail[:4]}-{tail[4:]}"
