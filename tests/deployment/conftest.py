"""The folder that the image would hold."""

import shutil
from pathlib import Path

import pytest

from tests.deployment.deployed import COMMANDS
from tests.deployment.documents import copy_as_the_image_does
from tests.services.herald import ROOT


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A folder with the files that the Dockerfile copies, and no other."""
    return copy_as_the_image_does(tmp_path / "image")


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
