"""The part of the composition root that makes the destinations of the log.

What only some settings need is imported where they ask for it, so that a start is quick.
"""

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TextIO

from flask import Flask

from logger_lib import (
    BatchedLoggerFactory,
    DestinationNotReadable,
    LoggerFactory,
    LoggerLibError,
    LogReader,
    load_factory_class,
)
from logger_lib.destinations.console import ConsoleLoggerFactory
from logger_lib.destinations.logging import LoggingLoggerFactory
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.spool.spool import SpoolPlace
from webapp.events.retention import old_events
from webapp.offload import make_offload
from webapp.retention import Retention
from webapp.settings import Settings, SettingsInvalid
from webapp.storage.database import Database


def make_factories(
    app: Flask, settings: Settings, database: Database, clients: list[Callable[[], None]]
) -> dict[str, LoggerFactory]:
    """Return the factories by name; what closes a client that none of them owns is appended."""
    try:
        return {
            name: _make_factory(name, app, settings, database, clients)
            for name in settings.event_loggers
        }
    except LoggerLibError as error:
        raise SettingsInvalid({"EVENT_LOGGERS": f"cannot be used: {error}"}) from error


def _make_factory(
    name: str,
    app: Flask,
    settings: Settings,
    database: Database,
    clients: list[Callable[[], None]],
) -> LoggerFactory:
    if name == "logging":
        return LoggingLoggerFactory(stream=_own_stderr(), offload=make_offload())
    if name == "console":
        return ConsoleLoggerFactory(offload=make_offload())
    if name == "sql":
        return SqlLoggerFactory(
            database.engine, offload=database.offload, spool=spool_place(settings)
        )
    if name == "mongodb":
        return _mongodb(app, settings, clients)
    if name == "sentry":
        return _sentry(settings)
    # A destination of a third party has variables of its own, which Settings cannot know.
    factory = load_factory_class(name).from_settings(os.environ)
    if isinstance(factory, BatchedLoggerFactory):
        factory.offload = make_offload()
    return factory


def _mongodb(app: Flask, settings: Settings, clients: list[Callable[[], None]]) -> LoggerFactory:
    from flask_pymongo import PyMongo

    from logger_lib.destinations import mongodb

    provider = app.json
    mongo = PyMongo(app, settings.mongo_uri, **mongodb.CLIENT_OPTIONS)
    # Flask-PyMongo would have the app's JSON speak BSON.
    app.json = provider
    client = mongo.cx
    assert client is not None  # noqa: S101  PyMongo(app) has connected it
    clients.append(client.close)
    collection = client.get_default_database(mongodb.DATABASE)[mongodb.COLLECTION]
    days = settings.event_retention_days
    return mongodb.MongoLoggerFactory(
        collection,
        spool=spool_place(settings),
        keep=None if days is None else timedelta(days=days),
    )


def spool_place(settings: Settings) -> SpoolPlace:
    """Return where durable buffers keep on this host's disk what cannot be written."""
    # An offload of its own: the disk must not wait for a database that hangs.
    return SpoolPlace(settings.home, settings.spool_max_bytes, make_offload())


def _sentry(settings: Settings) -> LoggerFactory:
    from logger_lib.destinations.sentry import SentryLoggerFactory

    dsn = settings.sentry_dsn
    assert dsn is not None  # noqa: S101  Settings refuses the logger sentry without one
    return SentryLoggerFactory(dsn, environment=settings.sentry_environment)


def _own_stderr() -> TextIO:
    # A stream of its own on the same descriptor: where its reader stalls, the thread that writes
    # here holds this stream's lock, and not that of sys.stderr, which everything else prints to.
    return open(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123 - a descriptor


def log_retention(
    settings: Settings, factories: Iterable[LoggerFactory]
) -> list[Callable[[], None]]:
    """Return what deletes old records, for destinations that do not do it themselves."""
    days = settings.event_retention_days
    if days is None:
        return []
    return [
        Retention(old_events(factory.delete_before, days), "events").run
        for factory in factories
        if isinstance(factory, SqlLoggerFactory)
    ]


def first_reader(factories: Iterable[LoggerFactory]) -> LogReader | None:
    """Return what reads the log: that of the first destination which can be read."""
    for factory in factories:
        try:
            return factory.create_reader()
        except DestinationNotReadable:
            continue
    return None
