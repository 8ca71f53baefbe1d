"""What the commands of Herald print: tables, moments, and errors in one line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import click

from webapp.errors import HeraldError


@contextmanager
def errors_told() -> Iterator[None]:
    """End the command with what a ``HeraldError`` says."""
    try:
        yield
    except HeraldError as error:
        fields = error.fields or {}
        by_field = " ".join(f"{name}: {' '.join(said)}" for name, said in fields.items())
        raise click.ClickException(f"{error.message} {by_field}".strip()) from error


def moment(at: datetime | None) -> str:
    """Return a time as a table shows it."""
    return "-" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print one line a row, in columns; what would not stay on its line is escaped."""
    cells = [headings, *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _shown(cell: str) -> str:
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in cell or "-"
    )
