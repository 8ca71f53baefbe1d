"""What a query asks for, as a question about one record."""

from logger_lib.logger import LogQuery
from logger_lib.record import LogRecord
from logger_lib.terms import asks_by_terms
from logger_lib.words import words_of


def answers(record: LogRecord, query: LogQuery) -> bool:
    """Say whether ``record`` is one that ``query`` asks for; its limit is not looked at."""
    return (
        query.app in (None, record.app)
        and query.event in (None, record.event)
        and query.event_id in (None, record.event_id)
        and (query.room is None or query.room in record.rooms)
        and (query.since is None or record.time >= query.since)
        and (query.until is None or record.time < query.until)
        and (query.before is None or record.id < query.before)
        and (not query.events_only or record.id == record.event_id)
        and not (record.recipients and asks_by_terms(query))
        and (not query.words or words_of(record).issuperset(query.words))
    )
