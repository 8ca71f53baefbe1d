"""The shape of a search, as it comes in a query string or from a shell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict, cast

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from logger_lib.words import MAX_WORD, words_in
from webapp.errors import ValidationFailed
from webapp.events.event_log import Search
from webapp.names import MAX_NAME

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
MAX_WORDS_ASKED = 5
_MAX_CURSOR = 200

_OFFSET_AFTER_BLANK = re.compile(r" (?=\d\d:?\d\d$)")
_UNIX_SECONDS = re.compile(r"\d{1,11}(\.\d{1,9})?")


class Moment(fields.Field[datetime]):
    """A point in time, in ISO 8601 with its offset from UTC, or in seconds since 1970."""

    def _deserialize(
        self,
        value: str,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, str] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> datetime:
        try:
            if _UNIX_SECONDS.fullmatch(value):
                return datetime.fromtimestamp(float(value), UTC)
            # A + that nobody has escaped is a blank when it comes out of a query string.
            moment = datetime.fromisoformat(_OFFSET_AFTER_BLANK.sub("+", value))
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            pass
        raise ValidationError(
            "Must be a time with its offset, such as 2026-05-25T12:00:00Z, or seconds since 1970."
        )


class Words(fields.Field[tuple[str, ...]]):
    """What an event has to have all of."""

    def _deserialize(
        self,
        value: str,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, str] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(words_in(value)))
        if not 1 <= len(words) <= MAX_WORDS_ASKED:
            raise ValidationError(f"Must have 1 to {MAX_WORDS_ASKED} words.")
        if any(len(word) > MAX_WORD for word in words):
            raise ValidationError(f"A word has at most {MAX_WORD} characters.")
        return words


def _name() -> fields.String:
    return fields.String(validate=validate.Length(1, MAX_NAME))


class SearchSchema(Schema):
    """The query string of ``GET /events``."""

    class Meta:
        """A parameter that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    event = _name()
    room = _name()
    since = Moment()
    until = Moment()
    words = Words(data_key="q")
    limit = fields.Integer(validate=validate.Range(1, MAX_LIMIT))
    cursor = fields.String(validate=validate.Length(1, _MAX_CURSOR))


class LoadedSearch(TypedDict, total=False):
    """What the schema returns."""

    event: str
    room: str
    since: datetime
    until: datetime
    words: tuple[str, ...]
    limit: int
    cursor: str


@dataclass(frozen=True, slots=True)
class PageAsked:
    """One page of a search."""

    search: Search
    limit: int
    cursor: str | None


_schema = SearchSchema()


def load_page(given: Mapping[str, str], app_id: str | None) -> PageAsked:
    """Return the page that ``given`` asks for; raises ``ValidationFailed`` by parameter."""
    try:
        loaded = cast("LoadedSearch", _schema.load(given))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error
    search = Search(
        app_id=app_id,
        event=loaded.get("event"),
        room=loaded.get("room"),
        since=loaded.get("since"),
        until=loaded.get("until"),
        words=loaded.get("words", ()),
    )
    return PageAsked(search, loaded.get("limit", DEFAULT_LIMIT), loaded.get("cursor"))
