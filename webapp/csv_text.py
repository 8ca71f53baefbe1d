"""CSV that a spreadsheet can open without computing what somebody else has written into it."""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet would compute."""


def csv_lines(rows: Iterable[Sequence[str]]) -> str:
    """Return ``rows`` as lines; a cell that looks like a formula gets an apostrophe in front."""
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows(
        [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows
    )
    return lines.getvalue()
