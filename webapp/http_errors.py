"""One form for every error that leaves over HTTP."""

import json
import traceback

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from logger_lib import Failure, JsonObject, Level, Logger, LogRecord
from webapp.errors import HeraldError, envelope
from webapp.json_body import MAX_BODY_BYTES
from webapp.redaction import without_secrets

HTTP_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
}
HTTP_MESSAGES = {
    404: "there is nothing at this path: see the README for what there is",
    413: f"a body may have {MAX_BODY_BYTES} bytes: send less, or several batches",
}


def json_bytes(value: JsonObject) -> bytes:
    """Return ``value`` as JSON."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # What no event may have and other programs log: integers beyond 64 bits, halves of
        # characters, hundreds of levels. NaN is null for both.
        plain = json.loads(json.dumps(value), parse_constant=lambda _: None)
        return json.dumps(plain).encode()


def json_response(body: JsonObject, status: int = 200) -> Response:
    """Return ``body`` as a JSON response."""
    return Response(json_bytes(body), status, content_type="application/json")


def refused(error: HeraldError) -> Response:
    """Return the answer to a call that ``error`` refuses."""
    response = json_response(error.to_wire(), error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Herald"'
    return response


def register_error_handlers(app: Flask, logger: Logger) -> None:
    """Have ``app`` answer every error in the envelope, and log those that are its own fault."""

    def refused_by_flask(error: HTTPException) -> Response:
        status = error.code or 500
        code = HTTP_CODES.get(status, error.name.lower().replace(" ", "_"))
        message = HTTP_MESSAGES.get(status, error.description or error.name)
        response = json_response(envelope(code, message), status)
        allowed = getattr(error, "valid_methods", None)
        if allowed:
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    def failed(error: Exception) -> Response:
        trace = "".join(traceback.format_exception(error))
        logger.log(
            LogRecord(
                level=Level.ERROR,
                event="request.failed",
                message=without_secrets(f"{type(error).__name__}: {error}"),
                fields={"traceback": without_secrets(trace)},
                failure=Failure.of(error),
            )
        )
        body = envelope("internal_error", "the server failed; the failure was logged")
        return json_response(body, 500)

    app.register_error_handler(HeraldError, refused)
    app.register_error_handler(HTTPException, refused_by_flask)
    app.register_error_handler(Exception, failed)
