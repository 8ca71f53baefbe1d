"""``GET /herald.js``: the tracker, for pages of any site."""

from flask import Blueprint, Response, request

from webapp.tracker.script import script

PATH = "/herald.js"
KEPT_SECONDS = 3600
"""How long a browser uses the script without asking whether there is another one."""


def make_tracker_blueprint() -> Blueprint:
    """Return the blueprint that hands out the tracker."""
    blueprint = Blueprint("tracker", __name__)

    @blueprint.get(PATH)
    def tracker() -> Response:
        made = script()
        zips = request.accept_encodings["gzip"] > 0
        response = Response(
            made.zipped if zips else made.plain, content_type="text/javascript; charset=utf-8"
        )
        if zips:
            response.headers["Content-Encoding"] = "gzip"
        # Caches keep both; and a page that isolates itself loads what says that anybody may.
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Cache-Control"] = f"public, max-age={KEPT_SECONDS}"
        response.set_etag(f"{made.tag}-gzip" if zips else made.tag)
        response.make_conditional(request)
        return response

    return blueprint
