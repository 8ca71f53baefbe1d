"""How Gunicorn serves Herald; `gunicorn` alone, started in this folder, reads it."""

import os
import sys
from typing import TYPE_CHECKING

from gunicorn.arbiter import Arbiter

from webapp import capacity
from webapp.settings import Settings, SettingsInvalid
from webapp.stderr import make_prompt

if TYPE_CHECKING:
    from webapp.worker import EventletWorker

try:
    settings = Settings.from_environment(os.environ)
except SettingsInvalid as error:
    sys.exit(str(error))

# Before Gunicorn makes its own log of it; the worker inherits it.
make_prompt()

wsgi_app = "wsgi:app"
bind = f"0.0.0.0:{settings.port}"
worker_class = "webapp.worker.EventletWorker"

# Hosts such as Heroku set WEB_CONCURRENCY, which Gunicorn reads as its number of workers. Rooms are
# in the memory of each: without what WORKERS needs, a second one would split the sockets in two
# halves that do not hear each other.
workers = settings.workers

worker_connections = capacity.worker_connections(settings.max_sockets)

# Longer than the 90 s for which Heroku's router keeps an idle connection: the side that reuses a
# connection must not be the one that finds it closed.
keepalive = 100

# The drain is done in 10 s; Heroku kills after 30 s.
graceful_timeout = 10
timeout = 60

# The control server would hold up every stop and every restart of the worker by two seconds.
control_socket_disable = True


def nworkers_changed(server: Arbiter, wanted: int, before: int | None) -> None:
    """Have as many workers as WORKERS says also against `gunicorn -w N`, SIGTTIN and SIGTTOU.

    But for none, which is what SIGWINCH is for.
    """
    del before
    is_to_stop = wanted == 0 and server.cfg.workers > 0
    if wanted != workers and not is_to_stop:
        told = f"{workers} workers" if workers > 1 else "one worker"
        server.log.warning("Herald runs as %s, not as %s (WORKERS)", told, wanted)
        server.cfg.set("workers", workers)
        server.num_workers = workers


def child_exit(server: Arbiter, worker: "EventletWorker") -> None:
    """Have the others not wait for a worker that was killed."""
    del server
    worker.loads.forget(worker.age)
    worker.figures.leave(worker.age)


def pre_fork(server: Arbiter, worker: "EventletWorker") -> None:
    """Say which of several the worker is: one after the other, so no two are the same."""
    if server.cfg.workers > 1:
        worker.place = worker.figures.take(worker.age)
