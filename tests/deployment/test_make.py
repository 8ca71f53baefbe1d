"""The Makefile: what a newcomer types first."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.deployed import COMMANDS, Deployed, bare_environment
from tests.services.herald import ROOT


@pytest.fixture
def folder(image_folder: Path) -> Path:
    """A copy of the repository in which the installation has been done."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, image_folder)
    commands = image_folder / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name in ("python", "flask", "gunicorn"):
        (commands / name).symlink_to(COMMANDS / name)
    (image_folder / ".venv" / "runtime").touch()
    return image_folder


def _make(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=bare_environment(**environ),
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("target", ["run", "test", "coverage", "lint", "format", "key", "lock"])
def test_targets(folder: Path, target: str) -> None:
    """Each promised target exists and can be made; `make` alone lists it."""
    planned = _make(folder, "--dry-run", target)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert re.search(rf"^{target} .*[a-z]", _make(folder).stdout, re.MULTILINE)


def test_run_serves_with_dot_env(folder: Path, tmp_path: Path) -> None:
    """`make run` serves; .env gives what the environment does not, whatever its values are."""
    home = tmp_path / "a & b = #c"
    (folder / ".env").write_text(f"# a comment\n\nPORT=not-this-one\nHERALD_HOME={home}")
    with Deployed(["make", "run"], folder, {}) as herald:
        assert herald.get("/health/ready").status_code == 200
        assert (home / "herald.db").exists()


def test_key_prints_the_key_alone(folder: Path) -> None:
    """What `make key` says goes into a variable: the token and nothing else, also without -s."""
    assert re.fullmatch(r"herald_\S+\n", _make(folder, "key").stdout)


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
