"""What Alembic runs: migrates the connection it is handed, or what ``DATABASE_URL`` names.

No logging is configured here: that is the application's alone.
"""

import os

from alembic import context
from sqlalchemy import Connection

from webapp.settings import Settings
from webapp.storage.engines import migration_engine
from webapp.storage.hit_tables import HitRow
from webapp.storage.tables import is_ours


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=HitRow.metadata,  # with those of webapp.storage.tables
        include_name=lambda name, kind, _parents: kind != "table" or is_ours(name),
        compare_server_default=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


handed = context.config.attributes.get("connection")
if handed is not None:
    _run(handed)
else:
    with migration_engine(Settings.from_environment(os.environ).database_url).begin() as own:
        _run(own)
