"""The errors of an operation, by status: what they mean, and their codes."""

from collections.abc import Sequence
from dataclasses import dataclass

from logger_lib import JsonObject, JsonValue
from webapp.errors import (
    CallInProgress,
    HeraldError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    envelope,
)

ERROR: JsonObject = {
    "type": "object",
    "description": "What every refused call gets. `message` tells the next step.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "For programs: it stays as it is."},
                "message": {"type": "string", "description": "For people."},
                "fields": {
                    "type": "object",
                    "description": "What is wrong with each field, where some are.",
                    "additionalProperties": True,
                },
            },
        }
    },
}

_EXAMPLES: dict[str, JsonObject] = {
    "malformed_json": envelope(
        "malformed_json", "not JSON: unexpected character at line 1, column 9"
    ),
    "validation_failed": envelope(
        "validation_failed",
        "not what this call takes: see 'fields'",
        {"event": ["Must not be empty."]},
    ),
}
_MAY_BE_RETRIED = frozenset(
    {error.status for error in (CallInProgress, TooManyRequests)} | {Unavailable.status}
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that has no class of its own, or means something special here."""

    status: int
    code: str
    meaning: str


def refusals_to_openapi(refusals: Sequence[type[HeraldError] | Refusal]) -> JsonObject:
    """Return the Responses Object of ``refusals``, and of the server's own failure."""
    by_status: dict[int, list[Refusal]] = {}
    for each in refusals:
        refusal = each if isinstance(each, Refusal) else _of_class(each)
        by_status.setdefault(refusal.status, []).append(refusal)
    by_status[HeraldError.status] = [
        Refusal(HeraldError.status, HeraldError.code, "The server failed, and logged it.")
    ]
    return {str(status): _response(found) for status, found in sorted(by_status.items())}


def _of_class(error: type[HeraldError]) -> Refusal:
    return Refusal(
        error.status, error.code, " ".join((error.__doc__ or "").split("\n\n")[0].split())
    )


def _response(refusals: Sequence[Refusal]) -> JsonObject:
    codes: list[JsonValue] = [*dict.fromkeys(refusal.code for refusal in refusals)]
    told = [f"`{refusal.code}`: {_plain(refusal.meaning)}" for refusal in refusals]
    examples: JsonObject = {
        refusal.code: {
            "value": _EXAMPLES.get(refusal.code, envelope(refusal.code, _plain(refusal.meaning)))
        }
        for refusal in refusals
    }
    only_these: JsonObject = {
        "properties": {"error": {"type": "object", "properties": {"code": {"enum": codes}}}}
    }
    schema: JsonObject = {"allOf": [{"$ref": "#/components/schemas/Error"}, only_these]}
    response: JsonObject = {
        "description": "\n\n".join(told),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }
    headers = _headers(refusals[0].status)
    return {**response, "headers": headers} if headers else response


def _headers(status: int) -> JsonObject:
    if status == Unauthorized.status:
        return {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if status in {TooManyRequests.status, Unavailable.status}:
        seconds: JsonObject = {"type": "integer", "minimum": 0}
        return {"Retry-After": {"description": "Seconds.", "schema": seconds}}
    return {}


def _plain(meaning: str) -> str:
    return meaning.replace("``", "`")
