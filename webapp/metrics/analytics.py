"""Figures of the analytics' answers."""

from logger_lib import JsonObject
from webapp.analytics.cache import AnswerCache
from webapp.metrics.families import Figures, counters


class AnalyticsFigures:
    """Reads what the cache of answers counts."""

    def __init__(self, cache: AnswerCache) -> None:
        self._cache = cache

    def seen(self) -> JsonObject:
        """Return how many answers were kept ones, for who asks whether Herald is well."""
        return {"kept": self._cache.hits, "made": self._cache.misses}

    def collect(self) -> Figures:
        """Return the figures."""
        yield counters(
            "herald_analytics_answers_total",
            "Answers about hits: kept ones, and such as were made from the database.",
            "by",
            {"cache": self._cache.hits, "database": self._cache.misses},
        )
