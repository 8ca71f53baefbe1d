"""The ER diagram of the tables, in Mermaid, as ``docs/tables.md`` has it.

``python -m webapp.storage.diagram`` writes that page anew.
"""

from pathlib import Path

from sqlalchemy import UniqueConstraint

from webapp.storage.hit_tables import HitRow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"
_TABLES = HitRow.metadata.tables
_APP = "app_id"
BEGIN, END = "```mermaid\n", "```\n"


def diagram() -> str:
    """Return the diagram of all tables that the models say."""
    names = sorted(_TABLES)
    lines = [line for name in names for line in _entity(name)]
    lines += [line for name in names for line in _relations(name)]
    return "\n".join(["erDiagram", *(f"    {line}" for line in lines), ""])


def updated(page: str) -> str:
    """Return ``page`` with the diagram that it should have."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{diagram()}{END}{after}"


def _entity(name: str) -> list[str]:
    table = _TABLES[name]
    unique = {
        column
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
        for column in constraint.columns.keys()  # noqa: SIM118  it is no dict
    }
    lines = []
    for column in table.columns:
        marks = [
            mark
            for mark, is_so in (
                ("PK", column.primary_key),
                ("FK", column.name == _APP or bool(column.foreign_keys)),
                ("UK", column.name in unique),
            )
            if is_so
        ]
        kind = type(column.type).__name__.removesuffix("eger").lower()
        nullable = ' "or NULL"' if column.nullable else ""
        lines.append(f"    {kind} {column.name} {', '.join(marks)}".rstrip() + nullable)
    return [f"{name} {{", *lines, "}"]


def _relations(name: str) -> list[str]:
    table = _TABLES[name]
    held = {
        key.parent.name: f"{key.column.table.name} ||--o{{ {name} : {key.parent.name}"
        for constraint in table.foreign_key_constraints
        for key in constraint.elements
    }
    if _APP in table.columns and _APP not in held:
        # A name without a constraint.
        return [*held.values(), f"app ||..o{{ {name} : {_APP}"]
    return [*held.values()]


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
