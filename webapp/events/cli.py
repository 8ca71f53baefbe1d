"""``flask --app webapp events``: watch, search and export the log from a shell."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypedDict, Unpack

import click
from flask.cli import AppGroup

from webapp.errors import HeraldError, SearchTooLong, Unavailable
from webapp.events.event_log import EventLog, Search, StoredEvent
from webapp.events.export import Format, json_line, shown_line, write_events
from webapp.events.search_schema import DEFAULT_LIMIT, MAX_LIMIT, PageAsked, load_page
from webapp.events.tail import Tail

POLL_SECONDS = 0.5
SHOWN_EVERY = 100
"""Events between two looks at how far an export is."""
MAX_LAST = 1000
INTERRUPTED = 128 + signal.SIGINT
"""What a shell takes for an end by Ctrl-C: not all of it is there."""


class Filters(TypedDict, total=False):
    """The options by which events are chosen, as the shell gives them; None: not given."""

    app: str | None
    event: str | None
    room: str | None
    since: str | None
    until: str | None
    q: str | None


_app = click.option("--app", help="Only the events of the app of this name.")
_event = click.option("--event", help="Only the events of this name.")
_room = click.option("--room", help="Only the events that went to this room.")
_since = click.option("--since", help="From then on: 2026-05-25T12:00:00Z, or Unix seconds.")
_until = click.option("--until", help="Before then, written in the same way.")
_words = click.option("--q", help="One to five words, all of which have to be in the event.")
_json = click.option("--json", "as_json", is_flag=True, help="Print lines of JSON.")
_limit = click.option(
    "--limit", type=click.IntRange(1, MAX_LIMIT), default=DEFAULT_LIMIT, show_default=True
)
_last = click.option(
    "-n", "last", type=click.IntRange(0, MAX_LAST), default=10, show_default=True,
    help="How many of the last events to begin with.",
)  # fmt: skip
_format = click.option(
    "--format", "wanted", type=click.Choice([each.value for each in Format]), default="jsonl"
)
_output = click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; else stdout."
)


def make_events_cli(log: Callable[[], EventLog], app_id_of: Callable[[str], str]) -> AppGroup:
    """Return the command group; both are called inside the app context of each command.

    ``app_id_of`` returns the id of the app of a name, and raises ``NotFound``.
    """
    group = AppGroup("events", help="Watch, search and export what was published.")

    def asked(**given: Unpack[Filters]) -> PageAsked:
        app = given.pop("app", None)
        filters = {name: value for name, value in given.items() if isinstance(value, str)}
        return load_page(filters, None if app is None else app_id_of(app))

    @group.command("tail")
    @_last
    @_app
    @_event
    @_room
    @_json
    def tail(last: int, as_json: bool, **filters: Unpack[Filters]) -> None:
        """Print the last events, then new ones as they come, until Ctrl-C."""
        with _errors_told(), _quiet_end(at_interrupt=0):
            line = json_line if as_json else shown_line
            search = asked(**filters).search
            for event in _coming(Tail(log(), search, time.time), last):
                click.echo(line(event))

    @group.command("search")
    @_app
    @_event
    @_room
    @_since
    @_until
    @_words
    @_limit
    @_json
    def search(limit: int, as_json: bool, **filters: Unpack[Filters]) -> None:
        """Print the newest events that have all that is asked for, newest first."""
        with _errors_told(), _quiet_end():
            line = json_line if as_json else shown_line
            for event in log().newest(asked(**filters).search, most=limit):
                click.echo(line(event))

    @group.command("export")
    @_app
    @_event
    @_room
    @_since
    @_until
    @_words
    @_format
    @_output
    def export(wanted: str, output: Path | None, **filters: Unpack[Filters]) -> None:
        """Write the events that have all that is asked for, newest first, however many."""
        with _errors_told(), _quiet_end():
            search = asked(**filters).search
            with _opened(output) as stream:
                count = _export(log(), search, Format(wanted), stream)
        click.echo(f"{count} events exported.", err=True)

    return group


def _coming(tail: Tail, last: int) -> Iterator[StoredEvent]:
    yield from tail.last(last)
    is_told = False
    while True:
        time.sleep(POLL_SECONDS)
        try:
            yield from tail.new()
            is_told = False
        except (Unavailable, SearchTooLong) as error:
            if not is_told:
                click.echo(f"{error.message} Trying again.", err=True)
            is_told = True


def _export(log: EventLog, search: Search, wanted: Format, stream: TextIO) -> int:
    events: Iterable[StoredEvent] = log.newest(search)
    if not sys.stderr.isatty():
        return write_events(events, wanted, stream)
    # How many there are is not known before they are read.
    with click.progressbar(
        events,
        label="Exporting events",
        file=sys.stderr,
        show_pos=True,
        show_eta=False,
        update_min_steps=SHOWN_EVERY,
    ) as shown:
        return write_events(shown, wanted, stream)


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        # Without newline="", CSV's own line ends would be changed.
        with _whole(output) as path, path.open("w", encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from error


@contextmanager
def _whole(output: Path) -> Iterator[Path]:
    """Give a file beside ``output`` that takes its place at the end, when all is in it."""
    if output.exists() and not output.is_file():
        yield output  # a pipe, or a device
        return
    place = output.resolve()
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        yield beside
        if place.exists():
            shutil.copymode(place, beside)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _quiet_end(at_interrupt: int = INTERRUPTED) -> Iterator[None]:
    """End in order where the reader of stdout has seen enough, and at Ctrl-C."""
    try:
        yield
    except BrokenPipeError:
        # What is still in the buffer would fail again when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(at_interrupt)


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except SearchTooLong as error:
        raise click.ClickException(f"{error.message} Name the app, with --app.") from error
    except HeraldError as error:
        fields = error.fields or {}
        by_field = [f"--{name}: {' '.join(said)}" for name, said in fields.items()]
        raise click.ClickException(" ".join([error.message, *by_field])) from error
