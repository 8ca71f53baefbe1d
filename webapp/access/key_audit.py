"""What the audit trail says of a key: all that is known of it but what would open anything."""

from webapp.access.keys import KeyDetails
from webapp.access.scopes import format_scopes
from webapp.audit import Action, AuditTrail


def record_key(
    audit: AuditTrail, action: Action, key: KeyDetails, *, who: str, address: str | None
) -> None:
    """Write down that ``who`` has issued or revoked ``key``."""
    audit.record(
        action,
        who=who,
        address=address,
        about={
            "keyId": key.id,
            "keyName": key.name,
            "appId": key.app_id,
            "appName": key.app_name,
            "scopes": format_scopes(key.scopes),
        },
    )
