"""``GET /``, the console for who is signed in, and ``GET /console/…``, the files that it is of."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from webapp.console.assets import PREFIX, Asset, Assets
from webapp.errors import NotFound, Unauthorized
from webapp.users.page import wants_page
from webapp.users.users import UserDetails

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"
"""A browser keeps the file, and asks each time whether it is still the same."""


def make_page_blueprint(assets: Assets, current: Callable[[], UserDetails]) -> Blueprint:
    """Return the blueprint of the page, for ``current``, who is signed in: else it raises."""
    blueprint = Blueprint("console", __name__)

    @blueprint.get("/")
    def page() -> Response:
        try:
            current()
        except Unauthorized:
            if wants_page():
                return redirect(url_for("users.show_button"), 303)
            raise
        return asset_answer(assets.page)

    return blueprint


def make_assets_blueprint(assets: Assets) -> Blueprint:
    """Return the blueprint of the files, which are everybody's: the sign-in needs some."""
    blueprint = Blueprint("console_assets", __name__)

    @blueprint.get(f"{PREFIX}<path:name>")
    def asset(name: str) -> Response:
        found = assets.find(name)
        if found is None:
            raise NotFound("the console has no such file")
        answer = asset_answer(found)
        is_fixed = assets.is_of_build(name, request.args.get("v"))
        answer.headers["Cache-Control"] = FOR_EVER if is_fixed else ASK_AGAIN
        return answer

    return blueprint


def asset_answer(asset: Asset) -> Response:
    """Return a file as the browser that asks takes it, or that it has it already."""
    gzipped = asset.gzipped if request.accept_encodings["gzip"] else None
    answer = Response(gzipped or asset.content, content_type=asset.content_type)
    answer.set_etag(f"{asset.etag}-gzip" if gzipped else asset.etag)
    if gzipped:
        answer.headers["Content-Encoding"] = "gzip"
    if asset.gzipped:
        answer.headers["Vary"] = "Accept-Encoding"
    return answer.make_conditional(request.environ)
