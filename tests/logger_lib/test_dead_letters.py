"""What a destination refused for good: kept with its reason, within bounds, by many processes."""

import json
import os
import stat
from pathlib import Path

import pytest

from logger_lib import JsonObject, JsonValue
from logger_lib.offload import inline
from logger_lib.pipeline.dead_letters import DeadLetter, DeadLetters
from logger_lib.spool.checked_lines import from_line
from tests.services.small_disk import small_disk


def letters_in(path: Path) -> list[JsonObject]:
    """Return what is in a file of dead letters, each of whose lines has to be whole."""
    texts = [from_line(line) for line in path.read_bytes().splitlines()]
    return [json.loads(text or "") for text in texts]


def letter(name: str) -> DeadLetter:
    return DeadLetter(json.dumps({"event": name}), f"reason {name}\n\x1b")


def test_a_letter_says_what_when_where_and_why(tmp_path: Path) -> None:
    """Each letter is one line: the time, the destination, the reason, and the record whole."""
    path = tmp_path / "dead-letters" / "sql.jsonl"
    letters = DeadLetters(path, "sql", inline)
    letters.keep([letter("a"), letter("b")])
    letters.keep([letter("c")])
    found = letters_in(path)
    assert [each["record"] for each in found] == [{"event": name} for name in "abc"]
    assert [each["reason"] for each in found] == [f"reason {name}\n\x1b" for name in "abc"]
    assert {str(each["destination"]) for each in found} == {"sql"}
    assert str(found[0]["at"]).endswith("+00:00")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_oldest_give_way(tmp_path: Path) -> None:
    """At its bound the file is set aside, once: there are never more than two."""
    path = tmp_path / "sql.jsonl"
    letters = DeadLetters(path, "sql", inline, max_bytes=1000)
    for number in range(40):
        letters.keep([letter(str(number))])
    kept = [
        each["record"] for file in (tmp_path / "sql.jsonl.1", path) for each in letters_in(file)
    ]
    first = 40 - len(kept)
    assert kept == [{"event": str(number)} for number in range(first, 40)]
    assert 5 < len(kept) < 20
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sql.jsonl", "sql.jsonl.1"]
    assert all(file.stat().st_size <= 1000 for file in tmp_path.iterdir())


def test_a_letter_larger_than_the_bound_is_kept(tmp_path: Path) -> None:
    """It alone is a file; it is not lost for its size."""
    path = tmp_path / "sql.jsonl"
    letters = DeadLetters(path, "sql", inline, max_bytes=100)
    letters.keep([letter("x" * 1000)])
    assert letters_in(path)[0]["record"] == {"event": "x" * 1000}


def test_a_torn_letter_takes_none_with_it(tmp_path: Path) -> None:
    """After what a killed process has left of its last line the next letter is whole."""
    path = tmp_path / "sql.jsonl"
    letters = DeadLetters(path, "sql", inline)
    letters.keep([letter("before")])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    letters.keep([letter("after")])
    texts = [from_line(line) for line in path.read_bytes().splitlines()]
    assert [text and json.loads(text)["record"]["event"] for text in texts] == [
        "before",
        None,
        "after",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_processes_share_a_file(tmp_path: Path) -> None:
    """Letters of several processes neither mix nor get lost when one sets the file aside."""
    path = tmp_path / "sql.jsonl"
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            letters = DeadLetters(path, "sql", inline, max_bytes=20_000)
            for each in range(50):
                letters.keep([letter(f"{number}.{each}")])
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    found = {
        json.dumps(each["record"])
        for file in (tmp_path / "sql.jsonl.1", path)
        for each in letters_in(file)
    }
    assert len(found) == 200


def names_in(*paths: Path) -> list[JsonValue]:
    return [
        record["event"]
        for path in paths
        for each in letters_in(path)
        if isinstance(record := each["record"], dict)
    ]


def test_letters_are_removed_from_both_files(tmp_path: Path) -> None:
    """Those that are meant go, the others stay as they were; one who adds meanwhile goes on."""
    path, older = tmp_path / "sql.jsonl", tmp_path / "sql.jsonl.1"
    letters = DeadLetters(path, "sql", inline, max_bytes=600)
    assert letters.remove(lambda _: True) == 0
    assert list(tmp_path.iterdir()) == []
    letters.keep([letter("old ada"), letter("old bob")])
    letters.keep([letter("ada"), letter("bob"), letter("eve")])
    assert names_in(older, path) == ["old ada", "old bob", "ada", "bob", "eve"]
    assert letters.remove(lambda text: "ada" in text) == 2
    assert letters.remove(lambda text: "ada" in text) == 0
    assert names_in(older, path) == ["old bob", "bob", "eve"]
    letters.keep([letter("after")])
    assert "after" in names_in(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sql.jsonl", "sql.jsonl.1"]


def test_a_damaged_letter_is_removed_by_what_is_left_of_it(tmp_path: Path) -> None:
    """A line that is not whole is shown as it is."""
    path = tmp_path / "sql.jsonl"
    letters = DeadLetters(path, "sql", inline)
    letters.keep([letter("ada")])
    path.write_bytes(path.read_bytes()[:-5] + b"\xff")
    letters.keep([letter("bob")])
    assert letters.remove(lambda text: "ada" in text and "\N{REPLACEMENT CHARACTER}" in text) == 1
    assert names_in(path) == ["bob"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_removing_while_others_add(tmp_path: Path) -> None:
    """No letter that another process adds meanwhile is lost."""
    path = tmp_path / "sql.jsonl"
    letters = DeadLetters(path, "sql", inline)
    child = os.fork()
    if not child:
        for number in range(300):
            letters.keep([letter(str(number)), letter("ada")])
        os._exit(0)
    removed = 0
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        removed += letters.remove(lambda text: '"ada"' in text)
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    removed += letters.remove(lambda text: '"ada"' in text)
    assert removed == 300
    assert names_in(path) == [str(number) for number in range(300)]


def test_a_full_disk_is_an_error_and_leaves_no_part(tmp_path: Path) -> None:
    """Letters that do not fit are refused whole, and those before them stay."""
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        path = disk.path / "sql.jsonl"
        letters = DeadLetters(path, "sql", inline)
        letters.keep([letter("before")])
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            letters.keep([letter("x" * 100_000)])
        disk.free()
        letters.keep([letter("after")])
        assert [each["record"] for each in letters_in(path)] == [
            {"event": "before"},
            {"event": "after"},
        ]
