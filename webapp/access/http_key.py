"""Where an API key stands in an HTTP request: in a header.

Addresses end up in the logs of everything on the way. A beacon's key, which can stand nowhere else,
is in a header by the time that it is looked for here (``collect.query_key``).
"""

from collections.abc import Mapping


def presented_token(environ: Mapping[str, str]) -> str | None:
    """Return the token in ``Authorization: Bearer …``, else in ``X-API-Key: …``, else None."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer" and (token := token.strip()):
        return token
    return environ.get("HTTP_X_API_KEY", "").strip() or None
