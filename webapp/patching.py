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

    SQLAlchemy is imported before. The locks that it makes then are those of the whole process, such
    as the one that numbers sessions, and several real threads are inside it at one moment (see
    ``webapp.offload``): of two that want a green lock the second is never woken. Those that an
    engine makes for itself are green, as they have to be where greenlets share its connections.

    Eventlet's resolver, a tenth of what a start of Herald would take, is loaded with the first name
    that is looked up: the embedded defaults look up none. ``webapp`` has eventlet go without it.
    """
    green_socket.getaddrinfo = _late(lambda: _resolver().getaddrinfo)
    green_socket.gethostbyname = _late(lambda: _resolver().gethostbyname)
    green_socket.gethostbyname_ex = _late(lambda: _resolver().gethostbyname_ex)
    green_socket.getnameinfo = _late(lambda: _resolver().getnameinfo)
    import_module("sqlalchemy.orm")
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
