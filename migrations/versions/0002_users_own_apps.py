"""Users, who own apps; links to sign in with."""

import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

# As in webapp.storage.tables, which may change after this migration.
OPERATOR = "00000000-0000-7000-8000-000000000000"

# MySQL takes "Abc" and "abc" for equal, unless it is told that a subject is no prose.
EXACT = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)


def upgrade() -> None:
    user = op.create_table(
        "user_account",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("issuer", EXACT, nullable=False),
        sa.Column("subject", EXACT, nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("last_sign_in_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_user_account"),
        sa.UniqueConstraint("issuer", "subject", name="uq_user_account_issuer"),
    )
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    operator = {
        "id": OPERATOR,
        "issuer": "herald",
        "subject": "operator",
        "email": "",
        "name": "operator",
        "created_at": now,
    }
    op.bulk_insert(user, [operator])
    op.create_table(
        "login_link",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_login_link"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_login_link_user_id"),
    )
    # What there was belongs to whoever operates this Herald.
    with op.batch_alter_table("app") as app:
        app.add_column(sa.Column("owner_id", sa.String(36), nullable=True))
        app.add_column(sa.Column("url", sa.String(2000), nullable=True))
    table = sa.table("app", sa.column("owner_id"), sa.column("url"))
    op.execute(table.update().values(owner_id=OPERATOR, url=""))
    with op.batch_alter_table("app") as app:
        app.alter_column("owner_id", existing_type=sa.String(36), nullable=False)
        app.alter_column("url", existing_type=sa.String(2000), nullable=False)
        app.create_foreign_key("fk_app_owner_id", "user_account", ["owner_id"], ["id"])
        app.create_unique_constraint("uq_app_owner_id", ["owner_id", "name"])
        app.drop_constraint("uq_app_name", type_="unique")


def downgrade() -> None:
    # Fails where two owners have an app of the same name: rename one before.
    with op.batch_alter_table("app") as app:
        app.create_unique_constraint("uq_app_name", ["name"])
        app.drop_constraint("fk_app_owner_id", type_="foreignkey")
        app.drop_constraint("uq_app_owner_id", type_="unique")
        app.drop_column("url")
        app.drop_column("owner_id")
    op.drop_table("login_link")
    op.drop_table("user_account")
