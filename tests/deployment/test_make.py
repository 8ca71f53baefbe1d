"""The Makefile: what a newcomer types first."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.deployed import COMMANDS, Deployed, bare_environment


def _make(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=bare_environment(**environ),
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "target",
    [
        "run",
        "worker",
        "test",
        "coverage",
        "lint",
        "format",
        "key",
        "keys",
        "users",
        "lock",
        "bench",
    ],
)
def test_targets(folder: Path, target: str) -> None:
    """Each promised target exists and can be made; `make` alone lists it."""
    planned = _make(folder, "--dry-run", target)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert re.search(rf"^{target} .*[a-z]", _make(folder).stdout, re.MULTILINE)


def test_run_serves_with_dot_env(folder: Path, tmp_path: Path) -> None:
    """`make run` serves; .env gives what the environment does not, whatever its values are."""
    home = tmp_path / "a & b = #c"
    lines = ["# a comment", "  ", "PORT=not-this-one", f"HERALD_HOME={home}"]
    (folder / ".env").write_text("\n".join(lines))
    with Deployed(["make", "run"], folder, {}) as herald:
        assert herald.get("/health/ready").status_code == 200
        assert (home / "herald.db").exists()


def test_key_prints_the_key_alone(folder: Path) -> None:
    """What `make key` says goes into a variable: the token and nothing else, also without -s."""
    assert re.fullmatch(r"herald_\S+\n", _make(folder, "key").stdout)


@pytest.mark.parametrize(
    "line", ['HERALD_HOME="{}"', "HERALD_HOME='{}'", "export HERALD_HOME={}", "HERALD_HOME={} \r"]
)
def test_dot_env_in_the_forms_that_others_read(folder: Path, tmp_path: Path, line: str) -> None:
    """Quotes around a value, `export` and Windows' line ends are not part of name and value."""
    home = tmp_path / "a home"
    (folder / ".env").write_text(line.format(home) + "\n")
    done = _make(folder, "keys", "ARGS=list")
    assert done.returncode == 0, done.stderr
    assert (home / "herald.db").exists()


def test_keys_have_names_of_several_words(folder: Path) -> None:
    """Quotes within ARGS are the shell's."""
    done = _make(folder, "keys", "ARGS=issue --scopes read --name 'for a test'")
    assert done.returncode == 0, done.stderr
    assert re.search(r"for a test +read", _make(folder, "keys", "ARGS=list").stdout)


@pytest.mark.parametrize("line", ["HERALD_HOME", "HERALD HOME=x", "=x", "1=x", "PO-RT=1"])
def test_a_line_of_dot_env_that_says_nothing(folder: Path, line: str) -> None:
    """A line that cannot be read is told by its number, not by its content, and nothing begins."""
    (folder / ".env").write_text(f"# fine\n{line}\n")
    done = _make(folder, "key")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Line 2 of .env is not NAME=value" in done.stderr
    assert not (folder / "instance").exists()


def test_installing_says_nothing_on_stdout(folder: Path) -> None:
    """Where the requirements have to be installed first, that is told on stderr alone."""
    (folder / ".venv" / "runtime").unlink()
    (folder / "requirements.txt").write_text("\n")
    done = _make(folder, "-s", "key")
    assert re.fullmatch(r"herald_\S+\n", done.stdout), done.stderr
    assert (folder / ".venv" / "runtime").exists()


def test_a_new_lock_is_installed_once(folder: Path) -> None:
    """The installation is done again where requirements.txt changed, and only then."""
    installs = "--require-hashes --requirement requirements.txt"
    assert installs not in _make(folder, "--dry-run", "run").stdout
    assert installs in _make(folder, "--dry-run", "-W", "requirements.txt", "run").stdout


def test_an_old_python_is_refused(folder: Path, tmp_path: Path) -> None:
    """A Python that is too old is refused with a word on what to do, and nothing is left behind."""
    old = tmp_path / "python3.9"
    old.write_text(
        f'#!/bin/sh\nexec {COMMANDS}/python -c "import sys; sys.version_info = (3, 9); $2"\n'
    )
    old.chmod(0o755)
    shutil.rmtree(folder / ".venv")
    refused = _make(folder, "run", f"PYTHON={old}")
    assert refused.returncode != 0
    assert f"Herald needs Python 3.11 or newer, and {old} is 3.9." in refused.stderr
    assert not (folder / ".venv").exists()
