"""The Docker image, as far as it can be told without Docker."""

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.deployment.deployed import Deployed, bare_environment
from tests.deployment.documents import (
    Instruction,
    builder_stage,
    copied_sources,
    final_stage,
)
from tests.services.herald import ROOT, free_port


def _only(keyword: str) -> Instruction:
    (found,) = [found for found in final_stage() if found.keyword == keyword]
    return found


def _in_context(path: str) -> bool:
    """Say whether .dockerignore lets a path of the root folder in: its last match decides."""
    excluded = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        names = Path(path).parts if "**/" in line else Path(path).parts[:1]
        if line and not line.startswith("#") and any(fnmatch(name, pattern) for name in names):
            excluded = not line.startswith("!")
    return not excluded


def _health_check() -> list[str]:
    _, _, command = _only("HEALTHCHECK").arguments.partition("CMD ")
    return Instruction("CMD", command).words


def test_its_files_are_enough(image_folder: Path) -> None:
    """The image's command serves from the copied files alone, and its health check agrees."""
    environ = {"GUNICORN_CMD_ARGS": "--worker-tmp-dir=/dev/shm"}
    assert environ["GUNICORN_CMD_ARGS"] in " ".join(found.arguments for found in final_stage())
    with Deployed(_only("CMD").words, image_folder, environ) as herald:
        assert herald.get("/health/ready").status_code == 200
        assert subprocess.run(_health_check(), env=herald.environ, check=False).returncode == 0
    assert herald.process is not None
    assert herald.process.returncode == 0


def test_its_health_check_sees_a_dead_server() -> None:
    """Where nobody listens the check fails, so that Docker says so."""
    environ = bare_environment(PORT=str(free_port()))
    checked = subprocess.run(_health_check(), env=environ, check=False, capture_output=True)
    assert checked.returncode == 1


@pytest.mark.parametrize("source", copied_sources(builder_stage() + final_stage()))
def test_what_it_copies_is_there(source: str) -> None:
    """Everything copied exists, and .dockerignore lets it into the build."""
    assert (ROOT / source).exists()
    assert _in_context(source)


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".git/config", ".venv/bin/python", "instance/secret_key", "tests/conftest.py",
        "webapp/__pycache__/x.pyc", "docs/x.md", "Dockerfile", "new_file",
    ],
)  # fmt: skip
def test_what_stays_out(path: str) -> None:
    """No secret, no history and nothing that is not needed gets into the build."""
    assert not _in_context(path)


def test_it_installs_the_lock_and_only_that() -> None:
    """The packages of the image are the locked ones, each checked against its hash."""
    installs = [found.arguments for found in builder_stage() if "pip install" in found.arguments]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert installs[0].endswith("--requirement requirements.txt")


def test_it_does_not_run_as_root() -> None:
    """The process has a fixed id of its own, to which the data folder belongs."""
    user, group = _only("USER").arguments.split(":")
    created = next(found.arguments for found in final_stage() if found.keyword == "RUN")
    assert int(user) > 0
    assert f"--uid {user}" in created
    assert f"--gid {group}" in created
    home = _only("VOLUME").arguments
    assert re.search(rf"--owner herald [^&]*{home}", created)
    assert f"HERALD_HOME={home}" in _only("ENV").arguments


def test_it_stops_as_herald_does() -> None:
    """`docker stop` sends the signal that starts the drain, to Gunicorn and not to a shell."""
    assert _only("STOPSIGNAL").arguments == "SIGTERM"
    assert _only("CMD").arguments == '["gunicorn"]'
    assert _only("EXPOSE").arguments == "1055"
