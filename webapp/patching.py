"""Having what would block wait on the event loop: to be done before anything else is imported."""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import ParamSpec, TypeVar

import eventlet
from eventlet.green import socket as green_socket

P = ParamSpec("P")
Answer = TypeVar("Answer")


def patch() -> None:
    """Replace Python's blocking calls by those of eventlet; a second time nothing happens.

    Eventlet's resolver, a tenth of what a start of Herald would take, is loaded with the first name
    that is looked up: the embedded defaults look up none. ``webapp`` has eventlet go without it.
    """
    green_socket.getaddrinfo = _late(lambda: _resolver().getaddrinfo)
    green_socket.gethostbyname = _late(lambda: _resolver().gethostbyname)
    green_socket.gethostbyname_ex = _late(lambda: _resolver().gethostbyname_ex)
    green_socket.getnameinfo = _late(lambda: _resolver().getnameinfo)
    eventlet.monkey_patch()


def load_resolver() -> None:
    """Load it now, as names are going to be looked up: later it would hold up the event loop."""
    _resolver()


def _late(find: Callable[[], Callable[P, Answer]]) -> Callable[P, Answer]:
    def look_up(*asked: P.args, **options: P.kwargs) -> Answer:
        return find()(*asked, **options)

    return look_up


def _resolver() -> ModuleType:
    return import_module("eventlet.support.greendns")
