"""Which identifier says most about an event whose name nobody knew in advance."""

from dataclasses import dataclass
from itertools import takewhile

from logger_lib.json_value import JsonObject, JsonValue

_SUFFIX = "id"
_INTEGER_BITS = 64


@dataclass(frozen=True, slots=True)
class Identifier:
    """One key of an event's data and its value; as text ``key: value``."""

    key: str
    value: str | int

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"


def identifier_of(event: str, data: JsonObject) -> Identifier | None:
    """Return the identifier in ``data`` that says most about ``event``, or None if there is none.

    Identifiers are the top-level keys that end in ``id``, in any case, and hold a string or an
    integer. The first of these answers that there is:

    - the one most akin to the event's action, its last part: ``order.paid`` and ``paymentId``;
    - the one most akin to its subject, the part before: ``order.created`` and ``orderId``;
    - the first one.
    """
    found = [found for key, value in data.items() if (found := _candidate(key, value))]
    for word in reversed(event.split(".")[-2:]):
        best = max(found, key=lambda identifier: _kinship(word, identifier.key), default=None)
        if best is not None and _kinship(word, best.key):
            return best
    return found[0] if found else None


def _candidate(key: str, value: JsonValue) -> Identifier | None:
    if not key.lower().endswith(_SUFFIX) or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return Identifier(key, value)
    # Python refuses to print integers of thousands of digits, and no identifier is one.
    if isinstance(value, int) and value.bit_length() <= _INTEGER_BITS:
        return Identifier(key, value)
    return None


def _kinship(word: str, key: str) -> int:
    """Return how many letters ``word`` and ``key`` begin with in common, or 0 if by chance.

    By chance is less than half of the shorter of the two, ``id`` not counted: ``paid`` is akin to
    ``paymentId`` by two letters of four, ``created`` is not akin to ``customerId``.
    """
    word, stem = word.lower(), key.lower().removesuffix(_SUFFIX).rstrip("_-. ")
    shared = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word, stem, strict=False))
    )
    return shared if 2 * shared >= min(len(word), len(stem)) else 0
