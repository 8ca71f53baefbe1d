"""Herald: post an event, every browser gets it, and every delivery is logged."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

# Eventlet says at every start that it is deprecated. ARCHITECTURE.md says what that means here; it
# is no news to the operator, who would read it before anything else.
warnings.filterwarnings("ignore", message="\\s*Eventlet is deprecated")

# Read when eventlet is imported: webapp.patching loads its resolver with the first name to look up.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")

if TYPE_CHECKING:
    from flask import Flask

    from webapp.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Return the Flask app, from ``settings`` or else from the environment.

    ``flask --app webapp`` and ``wsgi.py`` find it here. The app is imported only when it is made:
    Gunicorn's master imports this package for its worker class before anything is patched. Raises
    ``CannotStart``; in a command of Flask, what Click tells in one line.
    """
    with _nothing_collected():
        import click  # noqa: PLC0415 - see above

        from webapp.app import build_app  # noqa: PLC0415 - see above
        from webapp.settings import CannotStart  # noqa: PLC0415 - see above

        try:
            return build_app(settings)
        except CannotStart as error:
            if click.get_current_context(silent=True) is None:
                raise
            raise click.ClickException(str(error)) from error


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep the garbage collector away from what is being loaded, none of which is garbage.

    By itself it looks through all of it again and again, which takes a sixth of a command's time.
    The worker sees to that itself, for longer.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
