"""What others have written and the pages load: exactly what is said of it, with its licence."""

import hashlib
import json

from webapp.api_docs.views import FOLDER

VENDOR = FOLDER / "vendor"


def test_each_file_is_as_it_was_published() -> None:
    """Each file has the hash that is noted, none is beside them, and licences are there."""
    noted = json.loads((VENDOR / "versions.json").read_text())
    folders = {f"{name}-{package['version']}": package for name, package in noted.items()}
    assert {path.name for path in VENDOR.iterdir() if path.is_dir()} == {*folders}
    for folder, package in folders.items():
        files = (VENDOR / folder).iterdir()
        found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        assert found == package["files"]
        assert package["licence"] in (VENDOR / folder / "LICENSE").read_text()
