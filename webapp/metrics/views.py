"""``GET /metrics``: the figures, in the form that Prometheus asks for."""

import hmac
from collections.abc import Callable
from typing import TypeAlias

from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder

from webapp.access.http_key import presented_token
from webapp.errors import Unauthorized
from webapp.metrics.scrape import Scrape

OPENMETRICS = "application/openmetrics-text"
PLAIN = "text/plain"

CheckGuess: TypeAlias = Callable[[str | None, str | None], None]

_REFUSAL = (
    "/metrics needs the token of METRICS_TOKEN, as Authorization: Bearer <token>: Prometheus sends"
    " it as its 'authorization: credentials'. No API key opens it."
)


def make_metrics_blueprint(scrape: Scrape, token: str | None, check_guess: CheckGuess) -> Blueprint:
    """Return the blueprint; with a ``token`` the figures are for who brings it alone.

    ``check_guess`` is given the address and the token of who brings another one, and raises
    ``TooManyRequests`` where that was too often.
    """
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    def metrics() -> Response:
        if token is not None and not _brings(token):
            check_guess(request.remote_addr, presented_token(request.environ))
            raise Unauthorized(_REFUSAL)
        # Not told the caller's own words: of versions and escapings there is one of each here.
        encode, content_type = choose_encoder(OPENMETRICS if _wants_openmetrics() else PLAIN)
        return Response(encode(scrape), content_type=content_type)

    return blueprint


def _wants_openmetrics() -> bool:
    # The wish that weighs most comes first; each may have a version, of which there is one here.
    for wish, _ in request.accept_mimetypes:
        kind = wish.partition(";")[0].strip()
        if kind in {OPENMETRICS, PLAIN, "text/*", "*/*"}:
            return kind == OPENMETRICS
    return False


def _brings(token: str) -> bool:
    presented = presented_token(request.environ) or ""
    return hmac.compare_digest(presented.encode(), token.encode())
