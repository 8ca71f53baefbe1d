"""A hit as the row that it becomes: with its day, and with what its user agent says."""

from datetime import date, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

import orjson

from webapp.collect.hit import Hit
from webapp.collect.store.user_agents import LONGEST_NAME, UserAgents

COLUMNS = (
    "app_id",
    "message_id",
    "event",
    "at",
    "received_at",
    "day",
    "hour",
    "url",
    "referrer",
    "device",
    "browser",
    "os",
    "ip_address",
    "user_id",
    "session_id",
    "is_bot",
    "details",
)
"""What a row has before the database numbers it."""

Values: TypeAlias = tuple[str | int | None, ...]
"""What a row holds, in the order of ``COLUMNS``."""

DEVICES = frozenset({"mobile", "tablet", "desktop", "other"})

_KINDS = frozenset({str, int, type(None)})

_EPOCH = date(1970, 1, 1).toordinal()


def values_of(hit: Hit, zone: ZoneInfo, agents: UserAgents) -> Values:
    """Return the row of ``hit``, of an app in ``zone``.

    Raises ``ValueError``, ``TypeError`` or ``OverflowError`` where not every database can hold it.
    """
    agent = agents.read(hit.user_agent, hit.app_id)
    moment = datetime.fromtimestamp(hit.at / 1000, zone)
    day = moment.toordinal() - _EPOCH
    if day < 0:
        raise ValueError("it is from before 1970")
    if not hit.event:
        raise ValueError("its event has no name")
    if _ends_in_blank(hit.message_id, hit.event, hit.user_id, hit.session_id):
        # What the call refuses can still come by Redis, or from a spool.
        raise ValueError("a name of it ends in a blank: MySQL would not tell it from without")
    values = (
        hit.app_id,
        hit.message_id,
        hit.event,
        hit.at,
        hit.received_at,
        day,
        moment.hour,
        hit.url,
        hit.referrer,
        hit.device if hit.device in DEVICES else agent.device,
        _said(hit, "browser") or agent.browser,
        _said(hit, "os") or agent.os,
        hit.ip_address,
        hit.user_id or None,
        hit.session_id or None,
        int(agent.is_bot),
        None if hit.metadata is None else orjson.dumps(hit.metadata).decode(),
    )
    _require_storable(values)
    return values


def _said(hit: Hit, name: str) -> str | None:
    # Where an app knows better than its user agent it says so among what else it sends.
    value = hit.metadata.get(name) if isinstance(hit.metadata, dict) else None
    return value if isinstance(value, str) and len(value) <= LONGEST_NAME else None


def _ends_in_blank(*names: str | None) -> bool:
    # Not by a generator, which costs as much as all the rest of it.
    for name in names:  # noqa: SIM110
        if name and name[-1] == " ":
            return True
    return False


def _require_storable(values: Values) -> None:
    if not _KINDS.issuperset(map(type, values)):
        raise TypeError("a value of it is neither a text nor a number")
    text = "".join([value for value in values if type(value) is str])
    if "\0" in text:
        # PostgreSQL holds none, and SQLite's JSON ends a text there.
        raise ValueError("a text of it has a NUL")
    if not text.isascii():
        text.encode()
