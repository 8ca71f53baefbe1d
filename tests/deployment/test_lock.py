"""requirements.txt and requirements-dev.txt: the lock that every installation uses."""

import re
import tomllib

import pytest

from tests.services.herald import ROOT


def _locked(name: str) -> dict[str, str]:
    """Return the locked packages, each with all that the file says of it."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text())[1:]
    return {entry.split("==")[0]: entry for entry in entries}


def _wanted(*groups: list[str]) -> set[str]:
    names = [re.split(r"[\[<>=; ]", requirement)[0] for group in groups for requirement in group]
    return {re.sub("[-_.]+", "-", name).lower() for name in names}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_package_is_fixed(name: str) -> None:
    """Each package has one version and its hashes, and nothing says where it is to come from."""
    for package, entry in _locked(name).items():
        assert re.match(r"[a-z0-9-]+==[^ ]+ \\\n    --hash=sha256:[0-9a-f]{64}", entry), package
    assert not re.search(r"://|--index|--find-links|file:|@ ", (ROOT / name).read_text())


def test_the_lock_follows_pyproject() -> None:
    """Every dependency of pyproject.toml is locked; what is served is what the tests run on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, development = _locked("requirements.txt"), _locked("requirements-dev.txt")
    assert _wanted(project["dependencies"]) <= set(runtime)
    assert _wanted(project["optional-dependencies"]["dev"]) <= set(development)
    for package, entry in runtime.items():
        assert entry.splitlines()[0] == development[package].splitlines()[0]
