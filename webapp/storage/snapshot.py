"""Several reads that all see the database as it was at one moment."""

from sqlalchemy.orm import Session


def hold_snapshot(session: Session) -> None:
    """Have all reads of the transaction, which begins here, see what the first one sees.

    MySQL does so by itself (REPEATABLE READ, its default).
    """
    dialect = session.get_bind().dialect.name
    if dialect == "sqlite":
        # Its driver begins a transaction for writes alone.
        session.connection().exec_driver_sql("BEGIN")
    elif dialect == "postgresql":
        # The look at whether the connection is alive has begun one that is not like that.
        session.connection().exec_driver_sql(
            "ROLLBACK; BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        )
