"""Herald's app, served by ``test_process``, which tells how its worker was patched."""

from eventlet import patcher

PATCHED_BEFORE_IMPORT = [name for name in ("socket", "thread") if patcher.is_monkey_patched(name)]

import json  # noqa: E402 - the line above must see what was before any other import
import logging  # noqa: E402
import os  # noqa: E402
import threading  # noqa: E402
from pathlib import Path  # noqa: E402

from wsgi import app  # noqa: E402

__all__ = ["app"]

_HANDLERS = [
    handler
    for name in ("gunicorn.error", "gunicorn.access", None)
    for handler in logging.getLogger(name).handlers
]
_NATIVE = type(patcher.original("threading").RLock())

Path(os.environ["HERALD_HOME"], "patched.json").write_text(
    json.dumps(
        {
            "patched before import": PATCHED_BEFORE_IMPORT,
            "native locks": [
                str(handler) for handler in _HANDLERS if isinstance(handler.lock, _NATIVE)
            ],
            "handlers": len(_HANDLERS),
            "native threading": isinstance(threading.RLock(), _NATIVE),
        }
    )
)
