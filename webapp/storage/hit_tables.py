"""The tables of the hits, and of what they add up to.

``hit`` is what was sent, row by row. All others are kept in step with it in the same transaction,
and could be made from it again: how many hits there are by app, event and hour (``hit_count``), how
many a day (``day_count``), who had which day (``user_day``), and what unique users are counted from
(``unique_count``).

A day is the number of days since 1970-01-01 in the time zone of the app.
"""

from typing import Final

from sqlalchemy import BigInteger, Index, Integer, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.orm import Mapped, mapped_column

from webapp.storage.tables import EXACT, Base

ANY_EVENT = ""
"""The event under which the users of all events of an app together are counted."""

NEVER = -1
"""The day before a user's first one."""

SPAN = 32
"""Days that ``unique_count`` also has together: some forty rows tell a range of a year."""


_LONG = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
# SQLite numbers its rows by themselves in a column of exactly this type.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_BY_KEY: Final[dict[str, str | bool]] = {**EXACT, "sqlite_with_rowid": False}


class HitRow(Base):
    """One hit."""

    __tablename__ = "hit"
    __table_args__ = (
        UniqueConstraint("app_id", "message_id"),
        Index("ix_hit_at", "app_id", "at", "number"),
        Index("ix_hit_user_id", "app_id", "user_id", "at", "is_bot"),
        EXACT,
    )

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    app_id: Mapped[str] = mapped_column(String(36))
    message_id: Mapped[str] = mapped_column(String(100))
    event: Mapped[str] = mapped_column(String(200))
    at: Mapped[int] = mapped_column(BigInteger)
    """In ms since 1970, UTC; as is ``received_at``."""
    received_at: Mapped[int] = mapped_column(BigInteger)
    day: Mapped[int] = mapped_column(Integer)
    hour: Mapped[int] = mapped_column(SmallInteger)
    """0 to 23, in the time zone of the app."""
    url: Mapped[str | None] = mapped_column(_LONG)
    referrer: Mapped[str | None] = mapped_column(_LONG)
    device: Mapped[str] = mapped_column(String(10))
    """mobile, tablet, desktop or other."""
    browser: Mapped[str | None] = mapped_column(String(100))
    os: Mapped[str | None] = mapped_column(String(100))
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_id: Mapped[str | None] = mapped_column(String(200))
    session_id: Mapped[str | None] = mapped_column(String(200))
    is_bot: Mapped[int] = mapped_column(SmallInteger)
    details: Mapped[str | None] = mapped_column(_LONG)
    """The hit's ``metadata``, as JSON."""
    batch: Mapped[int] = mapped_column(BigInteger)
    """What tells the rows that a transaction has inserted from those that were there."""


class HitCount(Base):
    """How many hits an app has of an event in an hour of its day, by kind of device."""

    __tablename__ = "hit_count"
    __table_args__ = (_BY_KEY,)

    app_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    event: Mapped[str] = mapped_column(String(200), primary_key=True)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    device: Mapped[str] = mapped_column(String(10), primary_key=True)
    is_bot: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    hits: Mapped[int] = mapped_column(BigInteger)


class DayCount(Base):
    """How many hits an app has of an event on a day: ``hit_count`` added up.

    Its key has the day first. A question about all events of a range of days would read a hundred
    times as many rows of the other one.
    """

    __tablename__ = "day_count"
    __table_args__ = (_BY_KEY,)

    app_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    event: Mapped[str] = mapped_column(String(200), primary_key=True)
    is_bot: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    hits: Mapped[int] = mapped_column(BigInteger)


class UserDay(Base):
    """A day on which a user, who is no bot, did something: for each event, and for any."""

    __tablename__ = "user_day"
    __table_args__ = (_BY_KEY,)

    app_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    event: Mapped[str] = mapped_column(String(200), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    batch: Mapped[int] = mapped_column(BigInteger)
    """What tells the days that a statement has added; the day goes with the last of its hits."""


class UniqueCount(Base):
    """For how many users ``before_day`` is the last day that they had before ``day``.

    A user of a range of days has exactly one day in it whose day before lies in front of the range.
    So the unique users of any range are a sum over this table, exactly, of however many users.

    Each is in it four times, as either day stands for itself (its span is 1) or for the ``SPAN``
    days that begin with it, so that a long range is told by few rows.
    """

    __tablename__ = "unique_count"
    __table_args__ = (_BY_KEY,)

    app_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    event: Mapped[str] = mapped_column(String(200), primary_key=True)
    span: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    before_span: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    before_day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    users: Mapped[int] = mapped_column(BigInteger)


class ErasedUser(Base):
    """A user whose hits were erased: what was received until then is not stored any more."""

    __tablename__ = "erased_user"
    __table_args__ = (EXACT,)

    app_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    erased_at: Mapped[int] = mapped_column(BigInteger)
    """In ms since 1970, UTC. The row goes when nothing from before can be under way any more."""


class HitVersion(Base):
    """Counts the changes of an app's hits: what was answered for a version is right for it.

    Whoever changes them changes this row first, so that one does it at a time.
    """

    __tablename__ = "hit_version"

    app_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    removals: Mapped[int] = mapped_column(BigInteger)
    """In how many transactions days of its users went: what writers knew of them is over then."""
