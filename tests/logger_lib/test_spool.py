"""The queue on disk by itself: order, bounds, damage, and who may have which file."""

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from logger_lib.offload import inline
from logger_lib.spool.spool import Found, Spool, SpoolFull, SpoolPlace
from tests.services.small_disk import small_disk

MIB = 1 << 20


def make_spool(directory: Path, max_bytes: int = MIB, segment_bytes: int = MIB) -> Spool:
    return Spool(directory, max_bytes, inline, segment_bytes)


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.jsonl"))


def drained(spool: Spool, most: int = 3) -> list[str]:
    found: list[str] = []
    while texts := spool.read(most, 10_000):
        found += texts
        spool.done()
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def left_behind(directory: Path, *groups: list[str]) -> list[Path]:
    """Have a process put ``groups`` into a spool, and end."""
    spool = make_spool(directory, segment_bytes=1)
    for group in groups:
        spool.append(group)
    spool.close()
    return segments(directory)


def test_what_goes_in_comes_out_in_order(tmp_path: Path) -> None:
    """Over several groups and segments the order is kept, and a segment that is done is gone."""
    spool = make_spool(tmp_path / "a" / "b", segment_bytes=100)
    texts = [f"text {number}" for number in range(100)]
    for start in range(0, 100, 7):
        spool.append(texts[start : start + 7])
    assert len(segments(tmp_path / "a" / "b")) > 5
    assert drained(spool) == texts
    assert spool.is_empty
    assert segments(tmp_path / "a" / "b") == []


def test_what_is_not_done_is_read_again(tmp_path: Path) -> None:
    """Reading takes nothing out; only what is done does not come again."""
    spool = make_spool(tmp_path)
    spool.append(["a", "b", "c"])
    assert spool.read(2, MIB) == ["a", "b"]
    assert spool.read(2, MIB) == ["a", "b"]
    spool.done()
    spool.append(["d"])
    assert spool.read(10, MIB) == ["c", "d"]
    spool.close()


def test_a_read_is_bounded_in_bytes_and_never_empty(tmp_path: Path) -> None:
    """A text longer than the bound comes alone; those after it are another read's."""
    spool = make_spool(tmp_path)
    long = "x" * 50_000
    spool.append(["a", long, "b"])
    assert spool.read(10, 100) == ["a"]
    spool.done()
    assert spool.read(10, 100)[0] == long
    assert drained(spool) == [long, "b"]


def test_a_later_process_takes_over(tmp_path: Path) -> None:
    """What one left is found by the next, oldest first and before what that puts in itself."""
    left_behind(tmp_path, ["1", "2"], ["3"])
    spool = make_spool(tmp_path)
    spool.append(["4"])
    assert spool.take_over() == Found(3, 0)
    assert spool.take_over() == Found(0, 0)
    assert drained(spool) == ["1", "2", "3", "4"]
    assert segments(tmp_path) == []


def test_nobody_takes_what_another_holds(tmp_path: Path) -> None:
    """A segment that is written or read belongs to one; who closes leaves it to the others."""
    one, other = make_spool(tmp_path), make_spool(tmp_path)
    one.append(["mine"])
    other.append(["yours"])
    assert other.take_over() == Found(0, 0)
    one.close()
    assert other.take_over() == Found(1, 0)
    assert drained(other) == ["mine", "yours"]


def test_what_cannot_be_taken_over_stays_alone(tmp_path: Path) -> None:
    """A folder and a pipe in the place of segments are told; all others are taken over."""
    paths = left_behind(tmp_path, ["1"], ["2"], ["3"], ["4"])
    folder, pipe = paths[1], paths[2]
    folder.unlink()
    folder.mkdir()
    pipe.unlink()
    os.mkfifo(pipe)
    spool = make_spool(tmp_path)
    before = open_files()
    found = spool.take_over()
    assert open_files() == before + 2, "one descriptor for each segment"
    assert found.lines == 2
    assert [path for path, _ in found.unreadable] == [folder, pipe]
    assert [path for path, _ in spool.take_over().unreadable] == [folder, pipe]
    assert drained(spool) == ["1", "4"]


def test_many_segments_are_taken_over_in_turn(tmp_path: Path) -> None:
    """No more than a few are held at once, and the next is due before what is newer is read."""
    names = [str(number) for number in range(40)]
    left_behind(tmp_path, *([name] for name in names))
    spool = make_spool(tmp_path)
    spool.append(["new"])
    found: list[str] = []
    held = spool.take_over().lines
    assert held < len(names)
    while texts := spool.read(10, MIB):
        found += texts
        spool.done()
        if spool.has_more_left:
            assert spool.take_over().lines == 1
    assert found == [*names, "new"]
    assert not spool.has_more_left


def test_a_clock_that_was_put_back(tmp_path: Path) -> None:
    """What comes in is behind what an earlier process left, whatever the clock says."""
    (segment,) = left_behind(tmp_path, ["1"])
    segment.rename(segment.with_name("07000000000000000000.jsonl"))
    spool = make_spool(tmp_path)
    spool.append(["2"])
    assert spool.take_over() == Found(1, 0)
    assert drained(spool) == ["1", "2"]


def test_a_segment_is_read_from_its_start_after_a_crash(tmp_path: Path) -> None:
    """What was done is not remembered beyond the process: seen twice, and never lost."""
    spool = make_spool(tmp_path)
    spool.append(["1", "2"])
    spool.read(1, MIB)
    spool.done()
    spool.close()
    after = make_spool(tmp_path)
    assert after.take_over() == Found(2, 0)
    assert drained(after) == ["1", "2"]


@pytest.mark.parametrize("cut", [1, 2, 5, 11])
def test_a_torn_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    """What the end of a process cut off is counted, and costs no other line."""
    (segment,) = left_behind(tmp_path, ["whole", "also whole", "torn"])
    segment.write_bytes(segment.read_bytes()[:-cut])
    spool = make_spool(tmp_path)
    assert spool.take_over() == Found(2, 1)
    assert drained(spool) == ["whole", "also whole"]
    assert segments(tmp_path) == []


@pytest.mark.parametrize("damage", [b"\n", b"\r", b"\x00", b"\xff"])
@pytest.mark.parametrize("place", [0, 8, 9, 12])
def test_a_damaged_line_in_the_middle_is_left_out(
    tmp_path: Path, damage: bytes, place: int
) -> None:
    """A byte that the disk changed costs the line that it is in."""
    (segment,) = left_behind(tmp_path, ["before", "damaged", "after"])
    data = bytearray(segment.read_bytes())
    at = data.index(b"damaged") - 9 + place
    data[at : at + 1] = damage
    segment.write_bytes(bytes(data))
    spool = make_spool(tmp_path)
    found = spool.take_over()
    assert found.lines == 2
    assert found.damaged >= 1
    assert drained(spool) == ["before", "after"]


def test_a_damaged_line_end_costs_its_two_lines(tmp_path: Path) -> None:
    """Where a line end is gone two lines are one that is wrong; the next is found again."""
    (segment,) = left_behind(tmp_path, ["1", "2", "3"])
    data = segment.read_bytes()
    end = data.index(b"\n")
    segment.write_bytes(data[:end] + b"x" + data[end + 1 :])
    spool = make_spool(tmp_path)
    assert spool.take_over() == Found(1, 1)
    assert drained(spool) == ["3"]


def test_a_segment_without_a_whole_line_goes(tmp_path: Path) -> None:
    """An empty segment, and one that is all damaged, are removed; other files are left alone."""
    (tmp_path / "00000000000000000001.jsonl").write_bytes(b"")
    (tmp_path / "00000000000000000002.jsonl").write_bytes(b"garbage\ngarbage")
    (tmp_path / "README").write_text("mine")
    spool = make_spool(tmp_path)
    assert spool.take_over() == Found(0, 2)
    assert spool.is_empty
    assert [path.name for path in tmp_path.iterdir()] == ["README"]


def test_damage_that_comes_later_is_counted(tmp_path: Path) -> None:
    """Lines that were there when they were put in, and are not when their turn comes, are told."""
    spool = make_spool(tmp_path)
    spool.append(["1", "2", "3"])
    (segment,) = segments(tmp_path)
    data = bytearray(segment.read_bytes())
    data[data.index(b"2\n")] ^= 1
    with segment.open("r+b") as file:
        file.write(data)
    assert drained(spool) == ["1", "3"]
    assert (spool.take_missing(), spool.take_missing()) == (1, 0)
    spool.append(["4"])
    (segment,) = segments(tmp_path)
    with segment.open("wb"):
        pass
    assert spool.read(1, MIB) == []
    assert (spool.take_missing(), spool.is_empty) == (1, True)


def test_the_bound_in_bytes(tmp_path: Path) -> None:
    """A group that does not fit is refused whole; when older ones are done there is room again."""
    spool = make_spool(tmp_path, max_bytes=100, segment_bytes=1)
    spool.append(["x" * 30])
    spool.append(["y" * 30])
    with pytest.raises(SpoolFull, match="bound of 100 bytes"):
        spool.append(["z" * 30])
    spool.read(1, MIB)
    spool.done()
    spool.append(["z" * 30])
    assert drained(spool) == ["y" * 30, "z" * 30]


def test_the_bound_holds_over_processes(tmp_path: Path) -> None:
    """What others left or put in counts, taken over or not, and no more once they are through."""
    left_behind(tmp_path, *(["x" * 30] for _ in range(20)))
    spool = make_spool(tmp_path, max_bytes=20 * 40)
    with pytest.raises(SpoolFull):
        spool.append(["y"])
    spool.take_over()
    with pytest.raises(SpoolFull):
        spool.append(["y"])
    spool.read(1, MIB)
    spool.done()
    spool.append(["y"])
    other = make_spool(tmp_path, max_bytes=20 * 40)
    with pytest.raises(SpoolFull):
        other.append(["z" * 30])
    spool.read(1, MIB)
    spool.done()
    other.append(["z" * 30])
    for each in (spool, other):
        each.close()


def test_all_of_a_group_or_nothing_is_in(tmp_path: Path) -> None:
    """Where a file may not grow the part of a group that was written is taken back.

    In a process of its own, as the limit is the process's. Python ignores the signal of it.
    """
    program = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from logger_lib.offload import inline
        from logger_lib.spool.spool import Spool
        spool = Spool(Path(sys.argv[1]), 1 << 20, inline)
        spool.append(["first"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        try:
            spool.append(["a" * 400, "b" * 400, "c" * 400])
        except OSError as error:
            print(error.errno, flush=True)
        (segment,) = Path(sys.argv[1]).iterdir()
        print(segment.stat().st_size)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        spool.append(["second"])
        print(spool.read(10, 1 << 20))
    """)
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout.splitlines() == ["27", "15", "['first', 'second']"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where there is no space for a segment it is not there either, and later it is."""
    with small_disk(tmp_path / "disk", MIB) as disk:
        spool = make_spool(disk.path / "spool", max_bytes=8 * MIB)
        spool.append(["before"])
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            spool.append(["x" * MIB])
        assert drained(spool) == ["before"]
        with pytest.raises(OSError, match="No space left"):
            spool.append(["x" * MIB])
        assert segments(disk.path / "spool") == []
        disk.free()
        spool.append(["after"])
        assert drained(spool) == ["after"]


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    """What waits on disk is somebody's data: no other user reads it."""
    spool = make_spool(tmp_path / "spool")
    spool.append(["text"])
    (segment,) = segments(tmp_path / "spool")
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert stat.S_IMODE(segment.parent.stat().st_mode) == 0o700
    spool.close()


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "sql-größer", "a\x00b"])
def test_a_name_is_one_folder(tmp_path: Path, name: str) -> None:
    """Whatever a logger is called, its spool is a folder of its own in the place for them."""
    spool = SpoolPlace(tmp_path, MIB, inline).spool(name)
    spool.append(["text"])
    (folder,) = (tmp_path / "spool").iterdir()
    assert len(segments(folder)) == 1
    spool.close()


def test_a_closed_spool_takes_and_gives_nothing(tmp_path: Path) -> None:
    """What is asked of it after the end, by a thread that was late, harms nobody."""
    spool = make_spool(tmp_path)
    spool.append(["text"])
    spool.read(1, MIB)
    spool.close()
    spool.close()
    spool.done()
    with pytest.raises(OSError, match="closed"):
        spool.append(["more"])
    assert spool.read(1, MIB) == []
    assert spool.take_over() == Found(0, 0)
    after = make_spool(tmp_path)
    assert after.take_over() == Found(1, 0)
    after.close()
