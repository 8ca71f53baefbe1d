"""Where an API key stands in an HTTP request: in a header, never in the address.

Addresses end up in the logs of everything on the way.
"""

from flask import Request


def presented_token(request: Request) -> str | None:
    """Return the token in ``Authorization: Bearer …``, else in ``X-API-Key: …``, else None."""
    environ = request.environ
    scheme, _, token = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() == "bearer" and (token := token.strip()):
        return token
    return str(environ.get("HTTP_X_API_KEY", "")).strip() or None
