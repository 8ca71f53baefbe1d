"""A row that transactions take one by one, in every database."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from webapp.storage.tables import App, User


def lock_row(session: Session, table: type[App] | type[User], row_id: str) -> None:
    """Have whoever else locks this row wait until the transaction ends.

    What is counted after that counts all that they have added. SQLite has no ``FOR UPDATE``, but an
    update that changes nothing locks in every database.
    """
    session.execute(update(table).where(table.id == row_id).values(name=table.name))
