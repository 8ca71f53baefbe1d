"""``/openapi.json``, ``/asyncapi.json``, and ``/api-docs``, which shows them to people.

What the documents are made by is imported when somebody asks for one: no start waits for it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson
from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from webapp.console.assets import Asset, Assets
from webapp.console.views import ASK_AGAIN, FOR_EVER, asset_answer
from webapp.errors import NotFound

FOLDER = Path(__file__).parent / "static"
FILES = Assets(FOLDER)
PATH = "/api-docs"


def make_api_docs_blueprint() -> Blueprint:
    """Return the blueprint of the documents and their pages, which are everybody's."""
    blueprint = Blueprint("api_docs", __name__, template_folder="templates")

    @blueprint.get("/openapi.json")
    def openapi() -> AnyResponse:
        return _asked_again(_openapi())

    @blueprint.get("/asyncapi.json")
    def asyncapi() -> AnyResponse:
        from webapp.api_docs.asyncapi import asyncapi_document

        document = asyncapi_document(request.host, is_secure=request.is_secure)
        return _asked_again(Asset(".json", orjson.dumps(document)))

    @blueprint.get(PATH)
    def page() -> str:
        return render_template("api_docs/swagger.html", files=_file)

    @blueprint.get(f"{PATH}/socketio")
    def socketio() -> str:
        from webapp.api_docs.socketio_page import socketio_page

        return socketio_page(_file)

    @blueprint.get(f"{PATH}/files/<path:name>")
    def asset(name: str) -> AnyResponse:
        found = FILES.find(name)
        if found is None:
            raise NotFound("the pages of the API's documents have no such file")
        answer = asset_answer(found)
        is_fixed = FILES.is_of_build(name, request.args.get("v"))
        answer.headers["Cache-Control"] = FOR_EVER if is_fixed else ASK_AGAIN
        return answer

    return blueprint


@cache
def _openapi() -> Asset:
    from webapp.api_docs.openapi import openapi_document

    return Asset(".json", orjson.dumps(openapi_document()))


def _asked_again(document: Asset) -> AnyResponse:
    answer = asset_answer(document)
    answer.headers["Cache-Control"] = ASK_AGAIN
    return answer


def _file(name: str) -> str:
    """Return the address of a file of this build, which browsers keep for ever."""
    return f"{PATH}/files/{name}?v={FILES.build}"
