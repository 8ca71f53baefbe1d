"""The WSGI entry point: `gunicorn wsgi:app`."""

import eventlet

# Before every other import: what is imported first would keep the blocking originals.
eventlet.monkey_patch()

from webapp import create_app  # noqa: E402 - see above

app = create_app()
