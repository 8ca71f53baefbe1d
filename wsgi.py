"""The WSGI entry point: `gunicorn wsgi:app`."""

from webapp.patching import patch

# Before every other import: what is imported first would keep the blocking originals.
patch()

from webapp import create_app  # noqa: E402 - see above

app = create_app()
