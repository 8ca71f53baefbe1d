"""The shape of the questions, as they come in a query string."""

import re
from collections.abc import Mapping
from datetime import date
from typing import TypedDict, TypeVar, cast

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema
from werkzeug.datastructures import MultiDict

from webapp.analytics.breakdown import Breakdown, By, Overview
from webapp.analytics.days import Days
from webapp.analytics.export import Export, Format
from webapp.analytics.summaries import EventSummary, TopEvents, UserStats
from webapp.analytics.timeseries import Interval, Timeseries
from webapp.errors import ValidationFailed
from webapp.names import MAX_NAME
from webapp.query_string import each_once

MAX_EVENTS = 20
MAX_TOP, DEFAULT_TOP = 100, 10

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
MAX_ID = 200

Loaded = TypeVar("Loaded")


class Day(fields.Field[date]):
    """A day, as YYYY-MM-DD."""

    def _deserialize(
        self,
        value: str,
        attr: str | None,  # noqa: ARG002 - marshmallow's signature
        data: Mapping[str, str] | None,  # noqa: ARG002
        **kwargs: bool,  # noqa: ARG002
    ) -> date:
        try:
            if _DAY.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise ValidationError("Must be a day, as YYYY-MM-DD.")


class Exact(fields.String):
    """A name as it is stored: without the blanks at its end, which MySQL does not compare."""

    def _deserialize(
        self,
        value: str,
        attr: str | None,
        data: Mapping[str, str] | None,
        **kwargs: bool,
    ) -> str:
        return super()._deserialize(value, attr, data, **kwargs).rstrip(" ")


class AboutApps(Schema):
    """What every question may say: which app it is about, of those that the caller may read."""

    class Meta:
        """A parameter that is not known is an error: it may be a typing mistake that matters."""

        unknown = RAISE

    app_id = fields.String(validate=validate.Length(1, 100))


class UserSchema(AboutApps):
    """The query string of ``DELETE /analytics/users``."""

    user_id = Exact(data_key="userId", required=True, validate=validate.Length(1, MAX_ID))


class _WithBots(AboutApps):
    with_bots = fields.Boolean(
        data_key="includeBots", truthy={"true", "1"}, falsy={"false", "0"}, load_default=False
    )


class UserStatsSchema(_WithBots, UserSchema):
    """The query string of ``GET /analytics/user-stats``."""


class _OfDays(_WithBots):
    start = Day(data_key="startDate", load_default=None)
    end = Day(data_key="endDate", load_default=None)

    @validates_schema
    def require_order(self, data: Mapping[str, date | None], **kwargs: bool) -> None:
        """Refuse a range that ends before it begins."""
        del kwargs
        start, end = data.get("start"), data.get("end")
        if start and end and end < start:
            raise ValidationError("Must not be before startDate.", "endDate")


def _event() -> Exact:
    return Exact(required=True, validate=validate.Length(1, MAX_NAME))


class EventSummarySchema(_OfDays):
    """The query string of ``GET /analytics/event-summary``."""

    event = _event()


class TopEventsSchema(_OfDays):
    """The query string of ``GET /analytics/top-events``."""

    limit = fields.Integer(load_default=DEFAULT_TOP, validate=validate.Range(1, MAX_TOP))


class OverviewSchema(_OfDays):
    """The query string of ``GET /analytics/overview``."""

    event = Exact(validate=validate.Length(1, MAX_NAME))


class BreakdownSchema(OverviewSchema, TopEventsSchema):
    """The query string of ``GET /analytics/breakdown``."""

    by = fields.Enum(By, by_value=True, required=True)


class _OfEvents(_OfDays):
    events = fields.List(
        _event(), data_key="event", load_default=[], validate=validate.Length(max=MAX_EVENTS)
    )


class TimeseriesSchema(_OfEvents):
    """The query string of ``GET /analytics/timeseries``."""

    interval = fields.Enum(Interval, by_value=True, required=True)


class ExportSchema(_OfEvents):
    """The query string of ``GET /analytics/export``."""

    wanted = fields.Enum(Format, by_value=True, data_key="format", load_default=Format.CSV)
    user_id = Exact(data_key="userId", load_default=None, validate=validate.Length(1, MAX_ID))


class LoadedQuestion(TypedDict, total=False):
    """What the schemas return: each of them some of it."""

    app_id: str
    with_bots: bool
    start: date | None
    end: date | None
    event: str
    events: list[str]
    limit: int
    by: By
    interval: Interval
    wanted: Format
    user_id: str


_event_summary, _user_stats, _timeseries = (
    EventSummarySchema(),
    UserStatsSchema(),
    TimeseriesSchema(),
)
_top_events, _export, _user = TopEventsSchema(), ExportSchema(), UserSchema()
_overview, _breakdown = OverviewSchema(), BreakdownSchema()


def load_event_summary(arguments: MultiDict[str, str]) -> tuple[str | None, EventSummary]:
    """Return the app that is named, if any, and the question.

    This and the others raise ``ValidationFailed`` by parameter.
    """
    loaded = _load(_event_summary, arguments)
    question = EventSummary(loaded["event"], _days(loaded), loaded["with_bots"])
    return loaded.get("app_id"), question


def load_user_stats(arguments: MultiDict[str, str]) -> tuple[str | None, UserStats]:
    """Return the app that is named, if any, and the question."""
    loaded = _load(_user_stats, arguments)
    return loaded.get("app_id"), UserStats(loaded["user_id"], loaded["with_bots"])


def load_timeseries(arguments: MultiDict[str, str]) -> tuple[str | None, Timeseries]:
    """Return the app that is named, if any, and the question."""
    loaded = _load(_timeseries, arguments)
    question = Timeseries(loaded["interval"], _events(loaded), _days(loaded), loaded["with_bots"])
    return loaded.get("app_id"), question


def load_top_events(arguments: MultiDict[str, str]) -> tuple[str | None, TopEvents]:
    """Return the app that is named, if any, and the question."""
    loaded = _load(_top_events, arguments)
    return loaded.get("app_id"), TopEvents(loaded["limit"], _days(loaded), loaded["with_bots"])


def load_overview(arguments: MultiDict[str, str]) -> tuple[str | None, Overview]:
    """Return the app that is named, if any, and the question."""
    loaded = _load(_overview, arguments)
    question = Overview(loaded.get("event"), _days(loaded), loaded["with_bots"])
    return loaded.get("app_id"), question


def load_breakdown(arguments: MultiDict[str, str]) -> tuple[str | None, Breakdown]:
    """Return the app that is named, if any, and the question."""
    loaded = _load(_breakdown, arguments)
    question = Breakdown(
        loaded["by"], loaded["limit"], loaded.get("event"), _days(loaded), loaded["with_bots"]
    )
    return loaded.get("app_id"), question


def load_export(arguments: MultiDict[str, str]) -> tuple[str | None, Export]:
    """Return the app that is named, if any, and what is to be exported."""
    loaded = _load(_export, arguments)
    export = Export(
        loaded["wanted"], _events(loaded), loaded["user_id"], _days(loaded), loaded["with_bots"]
    )
    return loaded.get("app_id"), export


def load_user(arguments: MultiDict[str, str]) -> tuple[str | None, str]:
    """Return the app that is named, if any, and the user."""
    loaded = _load(_user, arguments)
    return loaded.get("app_id"), loaded["user_id"]


def _load(schema: Schema, arguments: MultiDict[str, str]) -> LoadedQuestion:
    several = {"event"} if "events" in schema.fields else set()
    given: dict[str, str | list[str]] = {**each_once(arguments, *several)}
    given |= {name: arguments.getlist(name) for name in several if name in arguments}
    try:
        return cast("LoadedQuestion", schema.load(given))
    except ValidationError as error:
        raise ValidationFailed.from_schema(error) from error


def _days(loaded: LoadedQuestion) -> Days:
    return Days(loaded["start"], loaded["end"])


def _events(loaded: LoadedQuestion) -> tuple[str, ...]:
    return tuple(dict.fromkeys(loaded["events"]))
