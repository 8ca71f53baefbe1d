"""What schemathesis has to know of these calls: it imports this file itself."""

import uuid
from collections.abc import MutableMapping
from typing import Protocol

import schemathesis
from schemathesis.generation.meta import CaseMetadata

from logger_lib import JsonValue

IDEMPOTENCY_KEY = "Idempotency-Key"


class Call(Protocol):
    """What is needed of a call that is about to be made."""

    headers: MutableMapping[str, str]
    meta: CaseMetadata | None


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: Call, kwargs: dict[str, JsonValue]
) -> None:
    """Give each call an idempotency key of its own: the same one for two bodies is an error."""
    del context, kwargs
    is_good = case.meta is None or case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE
    if is_good and IDEMPOTENCY_KEY in case.headers:
        case.headers[IDEMPOTENCY_KEY] = str(uuid.uuid4())
