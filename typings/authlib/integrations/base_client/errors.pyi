class OAuthError(Exception):
    error: str | None
    description: str | None

class MismatchingStateError(OAuthError): ...
