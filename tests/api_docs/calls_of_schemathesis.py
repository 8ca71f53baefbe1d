"""What schemathesis has to know of these calls: it imports this file itself."""

import uuid
from collections.abc import MutableMapping
from typing import Protocol

import schemathesis
from schemathesis.generation.meta import CaseMetadata

from logger_lib import JsonValue
from webapp.json_object import INTEGERS

IDEMPOTENCY_KEY = "Idempotency-Key"


class Call(Protocol):
    """What is needed of a call that is about to be made."""

    headers: MutableMapping[str, str]
    body: JsonValue
    meta: CaseMetadata | None


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: Call, kwargs: dict[str, JsonValue]
) -> None:
    """Put right in good calls what no schema can say.

    Each has an idempotency key of its own, as the same one for two bodies is an error; and an
    integer beyond 64 bits is written as other numbers are.
    """
    del context, kwargs
    if case.meta is None or case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE:
        if IDEMPOTENCY_KEY in case.headers:
            case.headers[IDEMPOTENCY_KEY] = str(uuid.uuid4())
        case.body = _with_short_integers(case.body)


def _with_short_integers(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _with_short_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_short_integers(item) for item in value]
    if isinstance(value, int) and value not in INTEGERS:
        return float(f"{str(value)[:5]}e15")
    return value
