"""The ER diagram in the docs is that of the models."""

from webapp.storage.diagram import PAGE, updated
from webapp.storage.hit_tables import HitRow


def test_the_page_shows_the_tables_as_they_are() -> None:
    """Whoever changes a table changes the diagram: python -m webapp.storage.diagram writes it."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == updated(page)
    assert all(f"    {table} {{\n" in page for table in HitRow.metadata.tables)
