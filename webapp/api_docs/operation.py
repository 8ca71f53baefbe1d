"""One operation of the API, as it is described, and what OpenAPI says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from marshmallow import Schema

from logger_lib import JsonObject, JsonValue
from webapp.access.scopes import Scope
from webapp.api_docs.refusals import Refusal, refusals_to_openapi
from webapp.errors import (
    Forbidden,
    HeraldError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)

Securities: TypeAlias = Sequence[Mapping[str, Sequence[str]]]
"""Any one of them lets a call in; each is all that is named in it."""

NOBODY: Securities = ()
BY_SESSION: Securities = ({"userToken": ()}, {"session": ()})
BY_SESSION_TO_CHANGE: Securities = ({"userToken": ()}, {"session": (), "csrfToken": ()})


def by_key(*scopes: Scope) -> Securities:
    """Return what admits who has an API key of all of ``scopes``."""
    named = [str(scope) for scope in scopes]
    return ({"apiKey": named}, {"apiKeyHeader": named})


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: what it means, and what is in it by media type (empty: nothing is)."""

    description: str
    content: Mapping[str, JsonObject] = field(default_factory=dict)
    """The JSON Schema of each media type."""
    example: JsonValue = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Descriptions of headers, by name."""

    def to_openapi(self) -> JsonObject:
        """Return the Response Object."""
        described: JsonObject = {"description": self.description}
        if self.headers:
            described["headers"] = {
                name: {"description": told, "required": True, "schema": {"type": "string"}}
                for name, told in self.headers.items()
            }
        if self.content:
            example: JsonObject = {} if self.example is None else {"example": self.example}
            described["content"] = {
                media: {"schema": schema, **example} for media, schema in self.content.items()
            }
        return described


def json_answer(description: str, schema: JsonObject, example: JsonValue = None) -> Answer:
    """Return an answer in JSON."""
    return Answer(description, {"application/json": schema}, example)


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: a schema and examples by name, in JSON and in ``also`` other media types."""

    schema: JsonObject
    examples: Mapping[str, JsonValue]
    also: Sequence[str] = ()
    required: bool = True

    def to_openapi(self) -> JsonObject:
        """Return the Request Body Object."""
        named: JsonObject = {name: {"value": value} for name, value in self.examples.items()}
        sent: JsonObject = {"schema": self.schema, "examples": named}
        media: list[str] = ["application/json", *self.also]
        return {"required": self.required, "content": dict.fromkeys(media, sent)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method of a path; ``id`` is what generated clients call it."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str = ""
    security: Securities = NOBODY
    query: type[Schema] | None = None
    parameters: Sequence[JsonObject] = ()
    """Those in the path and in headers."""
    required_examples: Mapping[str, str] = field(default_factory=dict)
    """Of parameters in the query."""
    body: Body | None = None
    answers: Mapping[int, Answer]
    refusals: Sequence[type[HeraldError] | Refusal] = ()
    """Beside those that every call of its kind has."""
    is_limited: bool = True
    """Whether a rate limit counts it."""

    def to_openapi(self, query_parameters: Sequence[JsonObject]) -> JsonObject:
        """Return the Operation Object, with what apispec has made of the query's schema."""
        answers: JsonObject = {
            str(status): answer.to_openapi() for status, answer in self.answers.items()
        }
        described: JsonObject = {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "security": [
                {name: [*scopes] for name, scopes in each.items()} for each in self.security
            ],
            "responses": {**answers, **refusals_to_openapi(self._all_refusals())},
        }
        if self.description:
            described["description"] = self.description
        parameters: list[JsonValue] = [*self.parameters, *query_parameters]
        if parameters:
            described["parameters"] = parameters
        if self.body:
            described["requestBody"] = self.body.to_openapi()
        return described

    def _all_refusals(self) -> Sequence[type[HeraldError] | Refusal]:
        admitting = [Unauthorized, Forbidden, Unavailable] if self.security else []
        limits = [TooManyRequests] if self.is_limited else []
        reading = [Refusal(413, "body_too_large", "The body is too large.")] if self.body else []
        return [*admitting, *limits, *reading, *self.refusals]
