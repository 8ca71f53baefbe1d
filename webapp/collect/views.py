"""``POST /analytics/collect``, and ``/collect`` for short."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from webapp.access.gate import Gate
from webapp.access.http_key import presented_token
from webapp.access.scopes import Scope
from webapp.collect.calls import PATHS, TEXT, CallReader, check_key_in_address, hits_in
from webapp.collect.collector import Collector
from webapp.http_errors import json_response
from webapp.json_body import read_raw


def make_collect_blueprint(reader: CallReader, gate: Gate, collector: Collector) -> Blueprint:
    """Return the blueprint through which analytics are sent."""
    blueprint = Blueprint("collect", __name__)

    def collect() -> Response:
        caller = gate.admit(presented_token(request.environ), Scope.COLLECT)
        check_key_in_address(caller, request.environ)
        collected = reader.read(read_raw(request, TEXT), caller, request.environ)
        collector.collect(collected.hits)
        return json_response(collected.to_wire(), 202)

    for path in PATHS:
        blueprint.add_url_rule(path, "collect", collect, methods=["POST"])
    return blueprint


def hits_in_call() -> int:
    """Return how many hits the current call brings, for its rate limit."""
    try:
        return hits_in(request.get_data())
    except RequestEntityTooLarge:
        return 1
