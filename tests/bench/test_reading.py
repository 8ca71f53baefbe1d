"""What the bench of reading measures is right: each search finds what it asks for, page by page."""

from pathlib import Path

import pytest

from bench.reading import Sample, fill, measure, searches
from logger_lib import LogQuery
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.matching import answers
from webapp.events.event_log import EventLog, Search

EVENTS = 8_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reading")
    fill(path, Sample(EVENTS))
    return path


def asked(search: Search) -> LogQuery:
    return LogQuery(
        app=search.app_id,
        event=search.event,
        room=search.room,
        since=search.since,
        until=search.until,
        words=search.words,
        events_only=True,
    )


def test_every_search_finds_all_that_it_asks_for(home: Path) -> None:
    """All pages of a search are what going through all records finds, in their order."""
    sample = Sample(EVENTS)
    events = [each for batch in Sample(EVENTS).batches() for each in batch[::2]]
    # The ids are partly random: what is compared are the identifiers in the data.
    factory = SqlLoggerFactory.from_settings({"HERALD_HOME": str(home)})
    log = EventLog(factory.create_reader())
    for name, search in searches(sample, EVENTS).items():
        query = asked(search)
        expected = [each.fields["orderId"] for each in events[::-1] if answers(each, query)]
        found = [each.record.fields["orderId"] for each in log.newest(search)]
        assert found == expected, name
    factory.close()


def test_each_page_is_timed(home: Path) -> None:
    """The first page and a deep one of every search are measured."""
    sample = Sample(EVENTS)
    timings = list(measure(home, sample, EVENTS))
    assert {each.place for each in timings} == {"first", "deep"}
    assert len(timings) == 2 * len(searches(sample, EVENTS))
    assert all(each.median_ms > 0 for each in timings)
