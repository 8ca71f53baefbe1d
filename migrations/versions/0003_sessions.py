"""Sessions that can be ended; whether the issuer has verified an address; text of any script."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

EXACT = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

REFERENCES = (
    ("fk_login_link_user_id", "login_link", "user_id", "user_account"),
    ("fk_app_owner_id", "app", "owner_id", "user_account"),
    ("fk_api_key_app_id", "api_key", "app_id", "app"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "mysql":
        _make_exact()
    op.create_table(
        "user_session",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("ends_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_session"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_user_session_user_id"),
        **EXACT,
    )
    op.create_index("ix_user_session_user_id", "user_session", ["user_id"])
    op.create_index("ix_user_session_ends_at", "user_session", ["ends_at"])
    # Nobody is signed in any more: who signs in anew says whether the address is verified. A host
    # that still runs the version before does not know of it.
    unverified = sa.Column("email_verified", sa.Boolean(), server_default="0", nullable=False)
    op.add_column("user_account", unverified)


def _make_exact() -> None:
    # What stands in a table that was made with other defaults of the server, which may know
    # Western Europe alone, or take Shop and shop for one name. No column changes that another
    # one refers to.
    for name, table, _, _ in REFERENCES:
        op.drop_constraint(name, table, type_="foreignkey")
    for table in ("user_account", "login_link", "app", "api_key"):
        op.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    for name, table, column, referred in REFERENCES:
        op.create_foreign_key(name, table, referred, [column], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("user_account") as user:
        user.drop_column("email_verified")
    op.drop_table("user_session")
