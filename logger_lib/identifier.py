"""Which identifier says most about an event whose name nobody knew in advance."""

from functools import lru_cache
from typing import NamedTuple

from logger_lib.json_value import JsonObject

_SUFFIXES = frozenset({"id", "Id", "ID", "iD"})
_INTEGER_BITS = 64
_REMEMBERED = 2_000
_REMEMBERED_LENGTH = 400
"""Letters in the name of an event and its keys; with it all that is remembered is about 1 MB."""


class Identifier(NamedTuple):
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
    found: dict[str, str | int] = {
        key: value
        for key, value in data.items()
        if key[-2:] in _SUFFIXES
        # Python refuses to print integers of thousands of digits, and no identifier is one.
        and (type(value) is str or (type(value) is int and value.bit_length() <= _INTEGER_BITS))
    }
    if not found:
        return None
    keys = tuple(found)
    best = keys[0]
    if len(keys) > 1:
        # The same few events come again and again, with the same keys.
        known = len(event) + sum(map(len, keys)) <= _REMEMBERED_LENGTH
        best = _most_akin(event, keys) if known else _most_akin.__wrapped__(event, keys)
    return Identifier(best, found[best])


@lru_cache(_REMEMBERED)
def _most_akin(event: str, keys: tuple[str, ...]) -> str:
    for word in reversed(event.lower().split(".")[-2:]):
        best, most = "", 0
        for key in keys:
            # A quick look first: most keys are akin to nothing.
            if key[:1].lower() == word[:1] and (kinship := _kinship(word, key)) > most:
                best, most = key, kinship
        if best:
            return best
    return keys[0]


def _kinship(word: str, key: str) -> int:
    """Return how many letters ``word`` and ``key`` begin with in common, or 0 if by chance.

    By chance is less than half of the shorter of the two, ``id`` not counted: ``paid`` is akin to
    ``paymentId`` by two letters of four, ``created`` is not akin to ``customerId``.
    """
    stem = key[:-2].lower().rstrip("_-. ")
    shortest = min(len(word), len(stem))
    shared = 0
    while shared < shortest and word[shared] == stem[shared]:
        shared += 1
    return shared if 2 * shared >= shortest else 0
