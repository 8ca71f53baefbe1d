"""The tables of Herald in the database that ``DATABASE_URL`` names.

The ``sql`` logger keeps its own tables, ``event_log`` and those named after it, in the same
database; they are none of ours.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """Stores an aware time as UTC, to the second, and gives it back aware."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any aware time into naive UTC."""
        del dialect
        if value is None:
            return None
        return value.astimezone(UTC).replace(tzinfo=None, microsecond=0)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that what the column holds is UTC."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


EXACT: Final = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
"""Any script, and a capital letter makes a difference: in MySQL too, whatever its defaults are."""


class Base(DeclarativeBase):
    """What all tables share: constraints have names that a migration can refer to.

    A table with ``__table_args__`` of its own has ``EXACT`` at their end.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    __table_args__: tuple[UniqueConstraint | Index | Mapping[str, str | bool], ...] = (EXACT,)
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy's own spelling


OPERATOR_ID = "00000000-0000-7000-8000-000000000000"
"""The user that every database has: whoever has a shell on the host. Owns what is made there."""


class User(Base):
    """Who signs in, known by the issuer's own name for them. The operator's issuer is Herald."""

    __tablename__ = "user_account"
    __table_args__ = (UniqueConstraint("issuer", "subject"), EXACT)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]
    email_verified: Mapped[bool] = mapped_column(default=False, server_default="0")


class UserSession(Base):
    """A sign-in that goes on: cookie and user tokens with its id are good while it is here."""

    __tablename__ = "user_session"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)


class LoginLink(Base):
    """A link that signs in once; it is gone when it is used. The token itself is not here."""

    __tablename__ = "login_link"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"))
    expires_at: Mapped[datetime]


class App(Base):
    """A tenant: owns keys, rooms, events and analytics. Its name is its owner's to choose."""

    __tablename__ = "app"
    __table_args__ = (UniqueConstraint("owner_id", "name"), EXACT)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), default=OPERATOR_ID)
    name: Mapped[str] = mapped_column(String(100))
    url: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[datetime]
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    """Of the days of its analytics, by its name in the IANA database."""
    keeps_addresses: Mapped[bool] = mapped_column(default=False, server_default="0")
    """Whether the addresses of its hits are stored whole."""
    hit_retention_days: Mapped[int | None]
    """After how many days its hits are deleted; NULL: never."""


class ApiKey(Base):
    """An issued API key. The token itself is not here: only what it takes to recognise it."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("app.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64))
    last_four: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    session_id: Mapped[str | None] = mapped_column(String(36), index=True)
    """The sign-in that it ends with; NULL: none."""

    app: Mapped[App] = relationship(lazy="joined", innerjoin=True)


def is_ours(table: str | None) -> bool:
    """Return whether migrations are to look at ``table``; the logger's tables are its own."""
    return table is None or not table.startswith("event_log")
