"""The audit trail: who did what to whom may do what, when and from where."""

import json
from enum import StrEnum

from flask import g

from logger_lib import JsonObject, Level, Logger, LogRecord

LONGEST_SHOWN = 500
"""Characters of what an action was done to that a line shows; the fields have all of it."""


class Action(StrEnum):
    """What is written down. The names are those of the records' events."""

    SIGNED_IN = "audit.signed_in"
    SIGN_IN_REFUSED = "audit.sign_in_refused"
    SIGNED_OUT = "audit.signed_out"
    LINK_MADE = "audit.link_made"
    APP_REGISTERED = "audit.app_registered"
    APP_CHANGED = "audit.app_changed"
    KEY_ISSUED = "audit.key_issued"
    KEY_REVOKED = "audit.key_revoked"
    TOKEN_ISSUED = "audit.token_issued"  # noqa: S105  a name
    SOCKET_ENDED = "audit.socket_ended"
    USER_ERASED = "audit.user_erased"
    CALL_REFUSED = "audit.call_refused"


_REFUSALS = frozenset({Action.SIGN_IN_REFUSED, Action.CALL_REFUSED})


class AuditTrail:
    """Writes through the loggers of the events, so that it lives as long as these do.

    The records belong to no event: no app finds them with ``GET /events``.
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def record(
        self, action: Action, *, who: str, address: str | None, about: JsonObject | None = None
    ) -> None:
        """Write down that ``who`` (a user, a key, or "" for nobody known) did ``action``.

        ``about`` names what it was done to, by ids and names: never a token or a secret. A line of
        the log shows it too, as JSON, so that no name in it can be taken for something else.
        """
        about = about or {}
        fields: JsonObject = {"who": who, "address": address, **about}
        message = f"by {who or 'nobody known'} from {address or 'this host'}"
        self._logger.log(
            LogRecord(
                event=str(action),
                message=f"{message}: {_shown(about)}" if about else message,
                level=Level.WARNING if action in _REFUSALS else Level.INFO,
                fields=fields,
            )
        )


def refused_as(action: Action, about: JsonObject) -> None:
    """Have the trail say of the current call, which is being refused, ``action`` and ``about``.

    It is written where all refusals are, once and under the same cap.
    """
    g.refused_as = (action, about)


def refusal_told() -> tuple[Action, JsonObject] | None:
    """Return what ``refused_as`` was called with in the current call."""
    told: tuple[Action, JsonObject] | None = g.get("refused_as")
    return told


def _shown(about: JsonObject) -> str:
    text = json.dumps(about, ensure_ascii=False)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
