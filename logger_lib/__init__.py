"""Herald's logger library: one ``log(record)`` for many destinations, with Flask or without.

``logger_lib.flask`` binds loggers to blueprints; ``logger_lib.destinations`` holds one module a
destination, each of which imports its own optional package.
"""

from logger_lib.batching import BatchedLogger, BatchedLoggerFactory, Sink
from logger_lib.counters import Counters
from logger_lib.discovery import load_factory_class, make_factories
from logger_lib.drivers import DRIVERS
from logger_lib.durations import Durations
from logger_lib.errors import (
    DestinationNotReadable,
    DestinationUnavailable,
    DestinationUnreachable,
    LoggerLibError,
    NoLoggerBound,
    NotALoggerFactory,
    ReadTooLong,
    RecordsRejected,
    SettingMissing,
    UnknownDestination,
)
from logger_lib.escape import escape
from logger_lib.failure import Failure, Frame
from logger_lib.group import LoggerGroup
from logger_lib.identifier import Identifier, identifier_of
from logger_lib.ids import uuid7
from logger_lib.json_value import JsonObject, JsonValue
from logger_lib.logger import Logger, LoggerFactory, LogQuery, LogReader
from logger_lib.offload import Offload, inline
from logger_lib.pipeline.limits import Limits
from logger_lib.pipeline.state import BufferState
from logger_lib.record import Level, LogRecord, delivery_record, event_record
from logger_lib.refusals import Refusal, raise_refusals, split_writable
from logger_lib.spool.spool import SpoolPlace

__all__ = [
    "DRIVERS",
    "BatchedLogger",
    "BatchedLoggerFactory",
    "BufferState",
    "Counters",
    "DestinationNotReadable",
    "DestinationUnavailable",
    "DestinationUnreachable",
    "Durations",
    "Failure",
    "Frame",
    "Identifier",
    "JsonObject",
    "JsonValue",
    "Level",
    "Limits",
    "LogQuery",
    "LogReader",
    "LogRecord",
    "Logger",
    "LoggerFactory",
    "LoggerGroup",
    "LoggerLibError",
    "NoLoggerBound",
    "NotALoggerFactory",
    "Offload",
    "ReadTooLong",
    "RecordsRejected",
    "Refusal",
    "SettingMissing",
    "Sink",
    "SpoolPlace",
    "UnknownDestination",
    "delivery_record",
    "escape",
    "event_record",
    "identifier_of",
    "inline",
    "load_factory_class",
    "make_factories",
    "raise_refusals",
    "split_writable",
    "uuid7",
]
