"""What begins when the worker accepts connections."""

import sys
from collections.abc import Callable, Iterable

import eventlet

from logger_lib import LoggerFactory
from webapp.access.first_key import first_key
from webapp.access.gate import Gate
from webapp.access.keys import ApiKeys
from webapp.banner import banner
from webapp.patching import load_resolver
from webapp.settings import Settings
from webapp.users.issuer import issuer_settings

LAST_USED_SECONDS = 60.0
"""How often it is written down when keys were last used."""


class Start:
    """Prepares the destinations of the log, and greets the operator where that was not done yet.

    With the embedded database the greeting has the first key, and a link to sign in with.
    """

    def __init__(
        self,
        settings: Settings,
        keys: ApiKeys,
        gate: Gate,
        factories: Iterable[LoggerFactory],
        *,
        background: Iterable[Callable[[], None]] = (),
        login_link: Callable[[], str] | None = None,
        show: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._gate = gate
        self._factories = list(factories)
        self._background = [self._record_use_forever, *background]
        self._login_link = login_link
        self._show = show or _print

    def __call__(self, *, is_first: bool) -> None:
        """Begin; what takes long or may fail goes on in green threads of its own.

        ``is_first`` is the worker that is to greet.
        """
        if _names_hosts(self._settings):
            load_resolver()
        for factory in self._factories:
            eventlet.spawn(_prepare, factory)
        for loop in self._background:
            eventlet.spawn(loop)
        if is_first:
            self._greet()

    def _greet(self) -> None:
        # With a database server, stdout ends up in somebody's log: no place for what opens doors.
        is_own_terminal = self._settings.database_url.startswith("sqlite")
        key = first_key(self._keys) if is_own_terminal else None
        link = self._login_link() if is_own_terminal and self._login_link else None
        self._show(banner(self._settings, key, link))

    def _record_use_forever(self) -> None:
        while True:
            eventlet.sleep(LAST_USED_SECONDS)
            self.record_use()

    def record_use(self) -> None:
        """Write down which keys were used since the last time; a failure is said."""
        try:
            self._keys.record_use(self._gate.take_used())
        except Exception as error:  # noqa: BLE001  the next minute's turn must come, whatever it was
            # When a key was last used is told to people alone: a gap there harms no one.
            sys.stderr.write(
                f"Herald: when keys were last used is not recorded: {type(error).__name__}.\n"
            )


def _names_hosts(settings: Settings) -> bool:
    named = (settings.redis_url, settings.mongo_uri, settings.sentry_dsn, issuer_settings(settings))
    return any(named)


def _prepare(factory: LoggerFactory) -> None:
    try:
        factory.prepare()
    except Exception as error:  # noqa: BLE001  a destination may raise anything, and is tried again
        sys.stderr.write(
            f"Herald: {type(factory).__name__} is not ready yet: {type(error).__name__}. "
            "It is prepared again before its first record.\n"
        )


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
