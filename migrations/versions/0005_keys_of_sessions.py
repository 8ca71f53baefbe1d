"""Keys that a page calls with, which end with the session that they were issued in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("api_key", sa.Column("session_id", sa.String(36), nullable=True))
    op.create_index("ix_api_key_session_id", "api_key", ["session_id"])


def downgrade() -> None:
    op.drop_index("ix_api_key_session_id", "api_key")
    with op.batch_alter_table("api_key") as key:
        key.drop_column("session_id")
