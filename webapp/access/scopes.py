"""The kinds of call that an API key may be issued for."""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """One kind of call."""

    PUBLISH = "publish"
    """Post events."""
    SUBSCRIBE = "subscribe"
    """Connect sockets, join rooms, make room tokens."""
    COLLECT = "collect"
    """Send analytics."""
    READ = "read"
    """Search events and analytics."""


class ScopesInvalid(ValueError):
    """A list of scopes is empty or names one that there is not."""


def parse_scopes(text: str) -> frozenset[Scope]:
    """Return the scopes in a comma list; raises ``ScopesInvalid`` and says which are known."""
    names = [name for part in text.split(",") if (name := part.strip())]
    unknown = [name for name in names if name not in set(Scope)]
    if unknown:
        raise ScopesInvalid(f"There is no scope {', '.join(unknown)}. Known: {', '.join(Scope)}.")
    if not names:
        raise ScopesInvalid(f"Name at least one scope of {', '.join(Scope)}.")
    return frozenset(map(Scope, names))


def format_scopes(scopes: Iterable[Scope]) -> str:
    """Return the comma list that ``parse_scopes`` reads, in one order."""
    return ",".join(sorted(scopes))
