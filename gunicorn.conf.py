"""How Gunicorn serves Herald; `gunicorn` alone, started in this folder, reads it."""

import os
import sys

from gunicorn.arbiter import Arbiter

from webapp import capacity
from webapp.settings import Settings, SettingsInvalid
from webapp.stderr import make_prompt

try:
    settings = Settings.from_environment(os.environ)
except SettingsInvalid as error:
    sys.exit(str(error))

# Before Gunicorn makes its own log of it; the worker inherits it.
make_prompt()

wsgi_app = "wsgi:app"
bind = f"0.0.0.0:{settings.port}"
worker_class = "webapp.worker.EventletWorker"

# Rooms live in the memory of one process. Hosts such as Heroku set WEB_CONCURRENCY, which Gunicorn
# reads as its number of workers; a second worker would split the sockets in two halves that do not
# hear each other.
workers = 1

worker_connections = capacity.worker_connections(settings.max_sockets)

# Longer than the 90 s for which Heroku's router keeps an idle connection: the side that reuses a
# connection must not be the one that finds it closed.
keepalive = 100

# The drain is done in 10 s; Heroku kills after 30 s.
graceful_timeout = 10
timeout = 60

# The control server would hold up every stop and every restart of the worker by two seconds.
control_socket_disable = True


def keep_to_one_worker(server: Arbiter) -> None:
    """Keep to one worker also against `gunicorn -w N`."""
    if server.num_workers != 1:
        server.log.warning("Herald runs as one worker, not as %s", server.num_workers)
        server.cfg.set("workers", 1)
        server.num_workers = 1


on_starting = keep_to_one_worker
on_reload = keep_to_one_worker
