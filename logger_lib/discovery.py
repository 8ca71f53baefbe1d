"""Finding a destination's factory by name: built in, or offered by an installed package."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points

from logger_lib.errors import DestinationUnavailable, NotALoggerFactory, UnknownDestination
from logger_lib.logger import LoggerFactory

ENTRY_POINT_GROUP = "logger_lib.factories"

_BUILT_IN = {
    "logging": ("logger_lib.destinations.logging", "LoggingLoggerFactory"),
    "console": ("logger_lib.destinations.console", "ConsoleLoggerFactory"),
    "mongodb": ("logger_lib.destinations.mongodb", "MongoLoggerFactory"),
    "sentry": ("logger_lib.destinations.sentry", "SentryLoggerFactory"),
    "sql": ("logger_lib.destinations.sql", "SqlLoggerFactory"),
    "memory": ("logger_lib.destinations.memory", "MemoryLoggerFactory"),
}
_PACKAGES = {
    "bson": "pymongo",
    "pymongo": "pymongo",
    "sentry_sdk": "sentry-sdk",
    "sqlalchemy": "SQLAlchemy",
}


def load_factory_class(name: str) -> type[LoggerFactory]:
    """Return the factory class of the destination called ``name``; a built-in name comes first.

    Raises ``UnknownDestination`` naming those there are, ``DestinationUnavailable`` if the
    package it is built on is not installed, ``NotALoggerFactory`` if a package offers another
    kind of thing.
    """
    if name in _BUILT_IN:
        return _load_built_in(name)
    for offered in entry_points(group=ENTRY_POINT_GROUP, name=name):
        loaded = offered.load()
        if not (isinstance(loaded, type) and issubclass(loaded, LoggerFactory)):
            raise NotALoggerFactory(name, offered.value)
        return loaded
    offered_names = {offered.name for offered in entry_points(group=ENTRY_POINT_GROUP)}
    raise UnknownDestination(name, [*_BUILT_IN, *sorted(offered_names - _BUILT_IN.keys())])


def make_factories(names: Iterable[str], settings: Mapping[str, str]) -> dict[str, LoggerFactory]:
    """Make the factory of each named destination from ``settings``, in the order of ``names``.

    Raises what ``load_factory_class`` raises, and ``SettingMissing``.
    """
    # All are found before the first is made, so that a wrong name leaves nothing open.
    classes = {name: load_factory_class(name) for name in names}
    return {name: factory.from_settings(settings) for name, factory in classes.items()}


def _load_built_in(name: str) -> type[LoggerFactory]:
    module, attribute = _BUILT_IN[name]
    try:
        loaded: type[LoggerFactory] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        package = _PACKAGES.get((error.name or "").partition(".")[0])
        if package is None:
            raise
        raise DestinationUnavailable(name, package) from error
    return loaded
