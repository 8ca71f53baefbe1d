"""Where an API key stands in an HTTP request: in a header, never in the address.

Addresses end up in the logs of everything on the way.
"""

from flask import Request
from werkzeug.datastructures import Headers


def token_from(headers: Headers) -> str | None:
    """Return the token in ``Authorization: Bearer …``, else in ``X-API-Key: …``, else None."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("X-API-Key", "").strip() or None


def presented_token(request: Request) -> str | None:
    """Return what ``request`` carries, for ``gate.admit(presented_token(request), scope)``."""
    return token_from(request.headers)
