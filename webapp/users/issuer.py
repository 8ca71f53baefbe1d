"""The issuer that signs people in, as the settings name it."""

from dataclasses import dataclass, field

from webapp.settings import Settings

GOOGLE = "https://accounts.google.com"


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """Who signs people in, and what Herald is called there."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)


def issuer_settings(settings: Settings) -> IssuerSettings | None:
    """Return the issuer that is configured, Google by its short form, or None."""
    if settings.google_client_id and settings.google_client_secret:
        return IssuerSettings(GOOGLE, settings.google_client_id, settings.google_client_secret)
    if settings.oidc_issuer and settings.oidc_client_id and settings.oidc_client_secret:
        return IssuerSettings(
            settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
        )
    return None
