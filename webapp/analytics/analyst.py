"""Answers questions about hits: from the cache, or from one moment of the database."""

import hashlib
from typing import Protocol

import orjson
from sqlalchemy.orm import Session

from logger_lib import JsonObject
from webapp.analytics.asked_apps import AskedApps, Asker, find_apps
from webapp.analytics.cache import AnswerCache
from webapp.storage.database import Database
from webapp.storage.snapshot import hold_snapshot


class Question(Protocol):
    """What can be asked. Its ``repr`` tells it from all others."""

    def answer(self, session: Session, asked: AskedApps) -> JsonObject:
        """Return the answer about these apps."""


class Analyst:
    """Answers from ``database``, which had better be one that no writer makes wait."""

    def __init__(self, database: Database, cache: AnswerCache) -> None:
        self._database = database
        self.cache = cache
        """What answers are kept in."""

    def answer(self, asker: Asker, question: Question) -> bytes:
        """Return the answer as JSON; raises ``NotFound`` where the app is not the asker's."""
        asked = self._database.run(lambda session: find_apps(session, asker))
        kept = self.cache.get(_name(question, asked))
        if kept is not None:
            return kept
        asked, found = self._database.run(lambda session: _ask(session, asker, question))
        answer = orjson.dumps(found)
        self.cache.put(_name(question, asked), answer)
        return answer

    def close(self) -> None:
        """Disconnect from the database, and from what answers are kept in."""
        self.cache.close()
        self._database.close()


def _ask(session: Session, asker: Asker, question: Question) -> tuple[AskedApps, JsonObject]:
    hold_snapshot(session)
    # Once more, as the version must be that of the hits that are looked at now.
    asked = find_apps(session, asker)
    return asked, question.answer(session, asked)


def _name(question: Question, asked: AskedApps) -> str:
    return hashlib.sha256(f"{question!r} of {asked!r}".encode()).hexdigest()
