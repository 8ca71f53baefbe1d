"""Herald's app, with doors for the tests: what it asked the database, a failure, pages."""

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import Engine, event

from wsgi import app

__all__ = ["app"]

asked: list[str] = []
event.listen(Engine, "before_cursor_execute", lambda *arguments: asked.append(str(arguments[2])))
probe = Blueprint("probe", __name__)


@probe.get("/test/queries")
def queries() -> Response:
    """Return how many statements were about API keys."""
    return jsonify(sum("api_key" in statement for statement in asked))


@probe.route("/auth/probe", methods=["GET", "POST"])
def sign_in() -> Response:
    """Stand for whatever is under ``/auth/``."""
    return jsonify("here")


@probe.get("/test/page")
def page() -> Response:
    """Return a page."""
    return Response("<!doctype html><title>A page</title>", content_type="text/html")


@probe.get("/test/routes")
def routes() -> Response:
    """Return the paths that a browser can just open."""
    rules = app.url_map.iter_rules()
    return jsonify(sorted(r.rule for r in rules if "GET" in (r.methods or ()) and not r.arguments))


@probe.post("/test/failure")
def failure() -> Response:
    """Fail, with all that the caller has sent in local variables and in the error's text."""
    sent = {
        "headers": dict(request.headers),
        "query": request.args.to_dict(),
        "cookies": request.cookies.to_dict(),
        "body": request.get_data(as_text=True),
    }
    raise RuntimeError(f"cannot deal with {sent}")


app.register_blueprint(probe)
