"""From which sites a browser may connect a socket."""

from collections.abc import Sequence
from wsgiref.types import WSGIEnvironment

ANY = "*"


class OriginCheck:
    """Allows Herald's own origin and those of ``CORS_ORIGINS``."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    def __call__(self, origin: str | None, environ: WSGIEnvironment) -> bool:
        """Say whether a page of ``origin`` may connect to the host that ``environ`` asks for.

        No origin: not a browser's page, which is let in by its token alone.
        """
        if origin is None or ANY in self._origins:
            return True
        own = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
        return origin.lower() in self._origins or origin.lower() == own.lower()
