"""The audit trail: who did what to whom may do what, when and from where."""

from enum import StrEnum

from logger_lib import JsonObject, Level, Logger, LogRecord


class Action(StrEnum):
    """What is written down. The names are those of the records' events."""

    SIGNED_IN = "audit.signed_in"
    SIGN_IN_REFUSED = "audit.sign_in_refused"
    SIGNED_OUT = "audit.signed_out"
    APP_REGISTERED = "audit.app_registered"
    KEY_ISSUED = "audit.key_issued"
    KEY_REVOKED = "audit.key_revoked"
    TOKEN_ISSUED = "audit.token_issued"  # noqa: S105  a name
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

        ``about`` names what it was done to, by ids and names: never a token or a secret.
        """
        fields: JsonObject = {"who": who, "address": address, **(about or {})}
        self._logger.log(
            LogRecord(
                event=str(action),
                message=f"by {who or 'nobody known'} from {address or 'this host'}",
                level=Level.WARNING if action in _REFUSALS else Level.INFO,
                fields=fields,
            )
        )
