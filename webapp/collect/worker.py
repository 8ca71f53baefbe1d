"""The process that stores what was collected, where ``REDIS_URL`` is set: no HTTP, no event loop.

Several may run, on one host or many: each hit is read by one of them, and what one leaves behind
when it is killed the others take over. It is its own composition root, as ``webapp.app`` is that of
the process that takes the calls.
"""

import argparse
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import inf
from urllib.parse import urlsplit

from redis.exceptions import RedisError
from sqlalchemy.engine import make_url

from logger_lib import Limits, escape, inline
from logger_lib.pipeline.limits import DEFAULT_LIMITS
from webapp.collect.policies import AppPolicies
from webapp.collect.store.hit_store import HitStore
from webapp.collect.store.user_agents import UserAgents
from webapp.collect.stream.consumer import IDLE_SECONDS, Consumer
from webapp.collect.stream.hit_stream import STREAM, HitStream
from webapp.collect.stream.stream_group import StreamGroup
from webapp.errors import Unavailable
from webapp.settings import CannotStart, Settings
from webapp.storage.database import Database
from webapp.storage.migration import MigrationBusy

_PROGRAM = "python -m webapp.collect.worker"


def main(
    arguments: Sequence[str] | None = None,
    *,
    idle: float = IDLE_SECONDS,
    limits: Limits = DEFAULT_LIMITS,
) -> int:
    """Run until SIGTERM or SIGINT; return the exit code.

    Another worker that has had hits for ``idle`` seconds is taken for dead. Of ``limits`` the
    settings say what a batch is.
    """
    options = _options(arguments)
    try:
        settings = Settings.from_environment(os.environ)
        url = _redis_url(settings)
        if options.lag:
            _show_lag(url)
        else:
            _work(settings, url, idle, limits)
    except CannotStart as error:
        _say(str(error))
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Write the hits that wait in Redis (REDIS_URL) to the database (DATABASE_URL),"
        " COLLECT_BATCH_SIZE at once or what COLLECT_BATCH_SECONDS bring. It ends on SIGTERM;"
        " several may run.",
    )
    parser.add_argument(
        "--lag", action="store_true", help="print how far the writing is behind, as JSON, and end"
    )
    return parser.parse_args(arguments)


def _redis_url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise CannotStart(
            "Herald's collect worker cannot start without REDIS_URL: set it to the Redis that the"
            " web processes have. Where they have none they write hits themselves, and no worker"
            " is needed."
        )
    return settings.redis_url


def _show_lag(url: str) -> None:
    stream = HitStream(url)
    try:
        print(json.dumps(asdict(stream.lag())))  # noqa: T201  what was asked for
    except RedisError as error:
        raise CannotStart(f"REDIS_URL cannot be asked: {error}") from error
    finally:
        stream.close()


def _work(settings: Settings, url: str, idle: float, limits: Limits) -> None:
    database = _database(settings)
    group = StreamGroup(url, f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
    consumer = Consumer(
        group,
        # Nobody else waits in this process.
        HitStore(database, AppPolicies(database), UserAgents(new_at_once=inf)),
        replace(
            limits,
            max_batch=settings.collect_batch_size,
            max_delay=settings.collect_batch_seconds,
        ),
        idle,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consumer.stop())
    _greet(settings, url, group.name)
    consumer.run()
    group.close()
    database.close()
    counters = consumer.counters
    _say(
        f"Herald's collect worker {group.name} has ended: {counters.written} hits read and done"
        f" with, {consumer.taken_over} of them taken over from others, {consumer.buried} made dead"
        f" letters; {counters.dropped} wait in Redis for the next one."
    )


def _database(settings: Settings) -> Database:
    database = Database(settings.database_url, inline)
    try:
        database.migrate()
    except (Unavailable, MigrationBusy) as error:
        told = " ".join(f"{error} {error.__cause__ or ''}".split())
        raise CannotStart(
            f"Herald's collect worker cannot start with DATABASE_URL {_shown(settings)}: {told}"
        ) from error
    return database


def _greet(settings: Settings, url: str, name: str) -> None:
    redis = urlsplit(url)
    _say(
        f"Herald's collect worker {name} writes what is in {STREAM} of"
        f" {redis.hostname or redis.path}:{redis.port or 6379} to {_shown(settings)},"
        f" {settings.collect_batch_size} hits at once or what {settings.collect_batch_seconds:g} s"
        " bring."
    )
    stream = HitStream(url)
    try:
        for danger in stream.dangers():
            _say(f"Hits may be lost with this Redis: {danger}.")
    except (RedisError, KeyError):
        # The consumer says what is out of reach; and not every host tells of its settings.
        return
    finally:
        stream.close()


def _shown(settings: Settings) -> str:
    return make_url(settings.database_url).render_as_string(hide_password=True)


def _say(text: str) -> None:
    print("\n".join(map(escape, text.splitlines())), file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
