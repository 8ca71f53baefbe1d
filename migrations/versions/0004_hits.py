"""Hits, and what they add up to; how an app wants its hits kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"

LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

EXACT = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def upgrade() -> None:
    # With defaults, for hosts that still run the version before and make apps.
    for column in (
        sa.Column("time_zone", sa.String(64), server_default="UTC", nullable=False),
        sa.Column("keeps_addresses", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("hit_retention_days", sa.Integer(), nullable=True),
    ):
        op.add_column("app", column)
    _create_hit()
    _create_sums()


def _create_hit() -> None:
    op.create_table(
        "hit",
        sa.Column("number", NUMBER, nullable=False, autoincrement=True),
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("message_id", sa.String(100), nullable=False),
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("url", LONG, nullable=True),
        sa.Column("referrer", LONG, nullable=True),
        sa.Column("device", sa.String(10), nullable=False),
        sa.Column("browser", sa.String(100), nullable=True),
        sa.Column("os", sa.String(100), nullable=True),
        sa.Column("ip_address", sa.String(45), nullable=True),
        sa.Column("user_id", sa.String(200), nullable=True),
        sa.Column("session_id", sa.String(200), nullable=True),
        sa.Column("is_bot", sa.SmallInteger(), nullable=False),
        sa.Column("details", LONG, nullable=True),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_hit"),
        sa.UniqueConstraint("app_id", "message_id", name="uq_hit_app_id"),
        **EXACT,
    )
    op.create_index("ix_hit_at", "hit", ["app_id", "at", "number"])
    op.create_index("ix_hit_user_id", "hit", ["app_id", "user_id", "at", "is_bot"])


def _create_sums() -> None:
    op.create_table(
        "hit_count",
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("device", sa.String(10), nullable=False),
        sa.Column("is_bot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "app_id", "event", "day", "hour", "device", "is_bot", name="pk_hit_count"
        ),
        sqlite_with_rowid=False,
        **EXACT,
    )
    op.create_table(
        "day_count",
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("is_bot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "day", "event", "is_bot", name="pk_day_count"),
        sqlite_with_rowid=False,
        **EXACT,
    )
    op.create_table(
        "user_day",
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "event", "user_id", "day", name="pk_user_day"),
        sqlite_with_rowid=False,
        **EXACT,
    )
    op.create_table(
        "unique_count",
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("event", sa.String(200), nullable=False),
        sa.Column("span", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("before_span", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("before_day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "app_id",
            "event",
            "span",
            "before_span",
            "day",
            "before_day",
            name="pk_unique_count",
        ),
        sqlite_with_rowid=False,
        **EXACT,
    )
    op.create_table(
        "erased_user",
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "user_id", name="pk_erased_user"),
        **EXACT,
    )
    op.create_table(
        "hit_version",
        sa.Column("app_id", sa.String(36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("removals", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", name="pk_hit_version"),
        **EXACT,
    )


def downgrade() -> None:
    sums = ("unique_count", "user_day", "day_count", "hit_count")
    for table in ("hit_version", "erased_user", *sums, "hit"):
        op.drop_table(table)
    with op.batch_alter_table("app") as app:
        app.drop_column("hit_retention_days")
        app.drop_column("keeps_addresses")
        app.drop_column("time_zone")
