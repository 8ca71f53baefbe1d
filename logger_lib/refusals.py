"""The records of a batch that a destination cannot hold, told apart from those that it can."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from logger_lib.errors import RecordsRejected
from logger_lib.record import LogRecord

Encoded = TypeVar("Encoded")
Refusal: TypeAlias = tuple[LogRecord, str]
"""A record and why it cannot be written."""


def split_writable(
    batch: Iterable[LogRecord], encode: Callable[[LogRecord], Encoded]
) -> tuple[list[tuple[LogRecord, Encoded]], list[Refusal]]:
    """Return what ``encode`` makes of each record, and the records for which it raises.

    Whatever it raises is about that record: it has no other's, and no destination, before it.
    """
    writable: list[tuple[LogRecord, Encoded]] = []
    refusals: list[Refusal] = []
    for record in batch:
        try:
            writable.append((record, encode(record)))
        except Exception as error:  # noqa: BLE001  whatever a program has put into the record
            refusals.append((record, f"it cannot be encoded: {error}"))
    return writable, refusals


def raise_refusals(refusals: Sequence[Refusal]) -> None:
    """Raise ``RecordsRejected`` where there are any."""
    if refusals:
        raise RecordsRejected(refusals)
