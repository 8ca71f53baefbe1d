"""Herald: post an event, every browser gets it, and every delivery is logged."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

# Eventlet says at every start that it is deprecated. ARCHITECTURE.md says what that means here; it
# is no news to the operator, who would read it before anything else.
warnings.filterwarnings("ignore", message="\\s*Eventlet is deprecated")

if TYPE_CHECKING:
    from flask import Flask

    from webapp.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Return the Flask app, from ``settings`` or else from the environment.

    ``flask --app webapp`` and ``wsgi.py`` find it here. The app is imported only when it is made:
    Gunicorn's master imports this package for its worker class before anything is patched. Raises
    ``CannotStart``; in a command of Flask, what Click tells in one line.
    """
    import click  # noqa: PLC0415 - see above

    from webapp.app import build_app  # noqa: PLC0415 - see above
    from webapp.settings import CannotStart  # noqa: PLC0415 - see above

    try:
        return build_app(settings)
    except CannotStart as error:
        if click.get_current_context(silent=True) is None:
            raise
        raise click.ClickException(str(error)) from error
