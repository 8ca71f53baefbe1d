"""``flask --app webapp events``: the real command, in a process of its own."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from logger_lib import JsonObject, event_record, inline, uuid7
from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.ids import uuid7_at
from tests.services import hasty_logger
from tests.services.forks import Process, run_command, start
from tests.services.herald import environment_without_settings, wait_until
from tests.services.migrated import migrated_file
from webapp.access.keys import ApiKeys
from webapp.access.tokens import KeySigner
from webapp.storage.database import Database

NOON = datetime(2026, 5, 25, 12, tzinfo=UTC)
SECONDS = 30.0
EVIL = "=cmd|' /C calc'!A0"


class Shell:
    """A home with an app ``shop`` and one ``blog``, and the command on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {
            **environment_without_settings(),
            "HERALD_HOME": str(home),
            # What a run that measures coverage says on stderr is no part of the answer.
            "PYTHONWARNINGS": "ignore",
        }
        database = Database(migrated_file(home / "herald.db"), inline)
        keys = ApiKeys(database, KeySigner("x" * 40))
        self.apps = {name: keys.apps.ensure(name) for name in ("shop", "blog")}
        database.close()

    def log(self, *events: tuple[str, str, JsonObject], app: str = "shop") -> list[str]:
        """Log events (a name, a room, data) as they would be published now; return their ids."""
        ids = [uuid7() for _ in events]
        factory = SqlLoggerFactory.from_settings(self.environ)
        factory.prepare()
        factory.sink.write(
            [
                event_record(
                    name,
                    data,
                    event_id=event_id,
                    time=datetime.now(UTC),
                    app=self.apps[app],
                    rooms=(room,),
                )
                for event_id, (name, room, data) in zip(ids, events, strict=True)
            ]
        )
        factory.close()
        return ids

    def start(self, arguments: Sequence[str], stdout: int, stderr: int, **more: str) -> Process:
        """Start a command."""
        command = ["--app", "webapp", "events", *arguments]
        return start("flask", command, {**self.environ, **more}, stdout, stderr)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return run_command(["events", *arguments], self.environ)

    def lines(self, *arguments: str) -> list[JsonObject]:
        """Return the lines of JSON that a command prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell on a log of three events of the shop and one of the blog."""
    made = Shell(tmp_path_factory.mktemp("shell"))
    made.log(
        ("order.created", "orders", {"orderId": "cfa3", "note": "for Jane"}),
        ("order.paid", "orders", {"orderId": "cfa3"}),
        (EVIL, "\x1b[31m", {"a": "\x1b]0;title\x07"}),
    )
    made.log(("post.created", "posts", {"title": "for Jane"}), app="blog")
    return made


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell on a log of which no pipe holds all."""
    made = Shell(tmp_path_factory.mktemp("long"))
    data: JsonObject = {"text": "x" * 10_000}
    made.log(*(("a", "r", data) for _ in range(200)))
    return made


def names(lines: list[JsonObject]) -> list[str]:
    return [str(line["event"]) for line in lines]


def test_search(shell: Shell) -> None:
    """It takes the filters of ``GET /events``, in one app or in all."""
    assert names(shell.lines("search", "--json")) == [
        "post.created", EVIL, "order.paid", "order.created"
    ]  # fmt: skip
    assert names(shell.lines("search", "--json", "--app", "blog")) == ["post.created"]
    assert names(shell.lines("search", "--json", "--q", "jane")) == [
        "post.created",
        "order.created",
    ]
    assert names(shell.lines("search", "--json", "--room", "orders", "--limit", "1")) == [
        "order.paid"
    ]
    assert names(shell.lines("search", "--json", "--event", "order.paid", "--since", "0")) == [
        "order.paid"
    ]
    assert shell.lines("search", "--json", "--until", "2026-01-01T00:00:00Z") == []


def test_lines_for_people(shell: Shell) -> None:
    """Without ``--json`` it is a line each, that cannot colour a terminal or forge another line."""
    done = shell.run("search", "--event", EVIL)
    (line,) = done.stdout.splitlines()
    assert line.isprintable()
    assert EVIL in line
    assert "\\x1b[31m" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "--app", "nobody"], "There is no app 'nobody'"),
        (["search", "--since", "yesterday"], "--since: Must be a time with its offset"),
        (["search", "--limit", "0"], "--limit"),
        (["export", "--q", "--"], "--q: Must have 1 to 5 words."),
        (["export", "--format", "xml"], "--format"),
        (["export", "--output", "/no/such/folder/x"], "No such file"),
        (["tail", "-n", "1001"], "-n"),
    ],
)
def test_errors_tell_the_next_step(shell: Shell, arguments: list[str], said: str) -> None:
    """What is wrong is said on stderr, without a traceback."""
    done = shell.run(*arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_home_without_events(tmp_path: Path) -> None:
    """Nothing was logged yet: nothing is found, and nothing fails."""
    done = Shell(tmp_path).run("export")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 events exported.\n")


def test_no_logger_can_be_read(tmp_path: Path) -> None:
    """It is said, with those that can."""
    shell = Shell(tmp_path)
    shell.environ["EVENT_LOGGERS"] = "logging"
    done = shell.run("search")
    assert done.returncode == 1
    assert "name sql or mongodb in EVENT_LOGGERS" in done.stderr


def test_a_search_of_all_apps_that_takes_too_long(tmp_path: Path) -> None:
    """It is told to name the app; an export goes on for as long as it finds anything."""
    shell = Shell(tmp_path / "home")
    shell.environ.update(hasty_logger.install(tmp_path / "hasty"))
    shell.log(*((f"a{number}", "r", {}) for number in range(5)))
    done = shell.run("search", "--event", hasty_logger.RARE)
    assert done.returncode == 1
    assert "--app" in done.stderr
    assert names(shell.lines("export")) == ["a4", "a3", "a2", "a1", "a0"]


def test_an_export_that_fails_leaves_the_file(shell: Shell, tmp_path: Path) -> None:
    """What was exported before is there until all of the new export is; a pipe is written to."""
    output = tmp_path / "events.jsonl"
    output.write_text("before")
    output.chmod(0o640)
    nowhere = Shell(tmp_path / "nowhere")
    nowhere.environ["EVENT_LOGGERS"] = "logging"
    assert shell.run("export", "--since", "soon", "--output", str(output)).returncode == 1
    assert nowhere.run("export", "--output", str(output)).returncode == 1
    assert output.read_text() == "before"
    assert shell.run("export", "--app", "blog", "--output", str(output)).returncode == 0
    assert names([json.loads(output.read_text())]) == ["post.created"]
    assert output.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["events.jsonl", "nowhere"]
    printed = shell.run("export", "--app", "blog", "--output", "/dev/stdout").stdout
    assert names([json.loads(printed)]) == ["post.created"]


@contextmanager
def exporting(shell: Shell) -> Iterator[tuple[Process, BinaryIO, BinaryIO]]:
    """Yield an export that has begun, and what it prints and says."""
    (out, their_out), (err, their_err) = os.pipe(), os.pipe()
    process = shell.start(["export"], their_out, their_err)
    os.close(their_out)
    os.close(their_err)
    try:
        with os.fdopen(out, "rb") as printed, os.fdopen(err, "rb") as said:
            assert printed.readline()
            yield process, printed, said
            process.wait(SECONDS)
    finally:
        process.kill()


def test_an_export_that_is_interrupted(long_log: Shell) -> None:
    """Ctrl-C ends it with 130, by which a script knows that not all was exported."""
    with exporting(long_log) as (process, printed, said):
        # The pipe is full long before all is in it.
        process.send_signal(signal.SIGINT)
        printed.read()
        assert (process.wait(SECONDS), said.read()) == (130, b"")


def test_export_as_lines_of_json(shell: Shell, tmp_path: Path) -> None:
    """Every event is one line, with all that is known of it."""
    output = tmp_path / "events.jsonl"
    done = shell.run("export", "--app", "shop", "--output", str(output))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "3 events exported.\n"
    lines = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert names(lines) == [EVIL, "order.paid", "order.created"]
    assert list(lines[0]) == ["id", "at", "app", "event", "rooms", "data"]
    assert lines[2]["data"] == {"orderId": "cfa3", "note": "for Jane"}
    assert {line["app"] for line in lines} == {shell.apps["shop"]}


def test_export_as_csv(shell: Shell) -> None:
    """A spreadsheet gets a row each, and no formula."""
    done = shell.run("export", "--format", "csv", "--q", "order")
    head, *rows = csv.reader(io.StringIO(done.stdout))
    assert head == ["id", "at", "app", "event", "rooms", "data"]
    assert [row[3] for row in rows] == ["order.paid", "order.created"]
    assert json.loads(rows[0][4]) == ["orders"]
    assert json.loads(rows[0][5]) == {"orderId": "cfa3"}
    _, evil = csv.reader(
        io.StringIO(shell.run("export", "--format", "csv", "--event", EVIL).stdout)
    )
    assert evil[3] == f"'{EVIL}"


def test_an_export_shows_how_far_it_is(tmp_path: Path) -> None:
    """On a terminal, on stderr; what is exported is read page by page."""
    shell = Shell(tmp_path)
    data: JsonObject = {"orderId": "1"}
    shell.log(*(("a", "r", data) for _ in range(350)))
    ours, theirs = pty.openpty()
    output = tmp_path / "output"
    with closing(os.fdopen(ours, "rb", buffering=0)) as terminal, output.open("wb") as printed:
        process = shell.start(["export"], printed.fileno(), theirs, TERM="xterm")
        os.close(theirs)
        assert process.wait(SECONDS) == 0
        shown = terminal.read(65536).decode()
    assert output.read_bytes().count(b"\n") == 350
    assert "Exporting events" in shown
    assert "350 events exported." in shown


def test_a_reader_that_has_seen_enough(long_log: Shell) -> None:
    """A broken pipe ends the command quietly."""
    with exporting(long_log) as (process, printed, said):
        printed.close()
        assert said.read() == b""
        assert process.wait(SECONDS) == 0


@contextmanager
def tailing(shell: Shell, printed: Path, *arguments: str) -> Iterator[Process]:
    with printed.open("wb") as stream:
        process = shell.start(["tail", "--json", *arguments], stream.fileno(), stream.fileno())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_tail(tmp_path: Path) -> None:
    """It begins with the last events and prints new ones once, as they come; Ctrl-C ends it."""
    shell = Shell(tmp_path)
    data: JsonObject = {}
    shell.log(*((f"old{number}", "r", data) for number in range(5)))
    printed = tmp_path / "printed"

    def shown() -> list[str]:
        return names([json.loads(line) for line in printed.read_text().splitlines()])

    with tailing(shell, printed, "-n", "2", "--room", "r", "--app", "shop") as process:
        wait_until(lambda: shown() == ["old3", "old4"], "the last two", SECONDS)
        shell.log(("new1", "r", data), ("new2", "other", data))
        shell.log(("new3", "r", data), app="blog")
        wait_until(lambda: "new1" in shown(), "a new event", SECONDS)
        late = event_record(
            "late",
            {},
            event_id=uuid7_at(datetime.now(UTC) - timedelta(seconds=2)),
            time=datetime.now(UTC),
            app=shell.apps["shop"],
            rooms=("r",),
        )
        factory = SqlLoggerFactory.from_settings(shell.environ)
        factory.sink.write([late])
        factory.close()
        wait_until(lambda: "late" in shown(), "an event of a host that was late", SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
    assert shown() == ["old3", "old4", "new1", "late"]


def test_a_tail_goes_on_after_a_search_that_took_too_long(tmp_path: Path) -> None:
    """It is said once, and what comes is shown at the next look."""
    shell = Shell(tmp_path / "home")
    shell.environ.update(hasty_logger.install(tmp_path / "hasty"))
    printed = tmp_path / "printed"
    with tailing(shell, printed, "--event", hasty_logger.RARE) as process:
        wait_until(lambda: "Trying again" in printed.read_text(), "a search too long", SECONDS)
        shell.log((hasty_logger.RARE, "r", {}))
        wait_until(lambda: '"rare"' in printed.read_text(), "the new event", SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


def test_tail_of_nothing(tmp_path: Path) -> None:
    """An empty log is waited for; with ``-n 0`` only what is new is printed."""
    shell = Shell(tmp_path)
    printed = tmp_path / "printed"

    def published_and_seen() -> bool:
        shell.log(("new", "r", {}))
        return '"new"' in printed.read_text()

    with tailing(shell, printed, "-n", "0") as process:
        wait_until(published_and_seen, "a new event", SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
