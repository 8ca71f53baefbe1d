"""Loggers chosen at the registration of each blueprint of a Flask app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict, Unpack

from flask import Blueprint, Flask, current_app, request

from logger_lib.discovery import make_factories
from logger_lib.errors import NoLoggerBound
from logger_lib.group import LoggerGroup
from logger_lib.json_value import JsonValue
from logger_lib.logger import LoggerFactory, LogReader

_EXTENSION = "logger_lib"


class RegistrationOptions(TypedDict, total=False):
    """What ``Flask.register_blueprint`` takes beside the blueprint."""

    name: str
    url_prefix: str | None
    subdomain: str | None
    url_defaults: dict[str, JsonValue]


class _Bindings:
    """The factories of one app, and the loggers of each of its registrations by name."""

    def __init__(self, factories: Mapping[str, LoggerFactory]) -> None:
        self.factories = dict(factories)
        self.loggers: dict[str, LoggerGroup] = {}


def init_app(app: Flask, factories: Mapping[str, LoggerFactory]) -> None:
    """Give ``app`` the destinations that its registrations may name.

    This is optional: a destination that is named and was not given is made from the strings in
    ``app.config`` (``MONGO_URI``, ``DATABASE_URL``, …).
    """
    app.extensions[_EXTENSION] = _Bindings(factories)


def register_blueprint(
    app: Flask,
    blueprint: Blueprint,
    *,
    loggers: Iterable[str],
    **options: Unpack[RegistrationOptions],
) -> LoggerGroup:
    """Register ``blueprint`` and bind this registration to ``loggers``; return them as one.

    Registered again under another ``name``, the same blueprint can have other loggers. Blueprints
    nested in it share its loggers. Raises what ``make_factories`` raises, before registering.
    """
    bindings = _bindings(app)
    name = options.get("name") or blueprint.name
    chosen = list(dict.fromkeys(loggers))
    missing = [destination for destination in chosen if destination not in bindings.factories]
    strings = {key: value for key, value in app.config.items() if isinstance(value, str)}
    factories = {**bindings.factories, **make_factories(missing, strings)}
    app.register_blueprint(blueprint, **options)
    bindings.factories = factories
    group = LoggerGroup({each: factories[each].create_logger(name) for each in chosen})
    bindings.loggers[name] = group
    return group


def current_logger() -> LoggerGroup:
    """Return the logger of the registration that handles the current request.

    Raises ``NoLoggerBound`` where that is none of ``register_blueprint`` of this module.
    """
    bound = _bindings(current_app).loggers
    for name in request.blueprints:
        if name in bound:
            return bound[name]
    raise NoLoggerBound(request.blueprint)


def reader(app: Flask, destination: str) -> LogReader:
    """Return the reader of a destination that ``app`` writes to.

    Raises ``KeyError`` for one that it does not, ``DestinationNotReadable`` where there is none.
    """
    return _bindings(app).factories[destination].create_reader()


def flush_loggers(app: Flask, timeout: float) -> bool:
    """Flush the loggers of all registrations within ``timeout`` seconds together."""
    return _all_loggers(app).flush(timeout)


def close_loggers(app: Flask, timeout: float = 1.0) -> None:
    """Close the loggers of all registrations within ``timeout`` seconds, then their factories."""
    _all_loggers(app).close(timeout)
    for factory in _bindings(app).factories.values():
        factory.close()


def _all_loggers(app: Flask) -> LoggerGroup:
    return LoggerGroup({**_bindings(app).loggers})


def _bindings(app: Flask) -> _Bindings:
    bindings = app.extensions.setdefault(_EXTENSION, _Bindings({}))
    assert isinstance(bindings, _Bindings)  # noqa: S101  tells the type checker what init_app put there
    return bindings
