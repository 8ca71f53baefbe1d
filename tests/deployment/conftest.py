"""The folder that the image would hold."""

from pathlib import Path

import pytest

from tests.deployment.documents import copy_as_the_image_does


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A folder with the files that the Dockerfile copies, and no other."""
    return copy_as_the_image_does(tmp_path / "image")
