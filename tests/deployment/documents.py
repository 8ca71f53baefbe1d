"""The files that deploy Herald, read into what the tests compare."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from logger_lib import JsonObject, JsonValue
from tests.services.herald import ROOT


def json_file(name: str) -> JsonObject:
    """Return the object in a JSON file of the root folder."""
    return mapping(json.loads((ROOT / name).read_text()))


def yaml_file(name: str) -> JsonObject:
    """Return the mapping in a YAML file of the root folder."""
    return mapping(yaml.safe_load((ROOT / name).read_text()))


def mapping(value: JsonValue) -> JsonObject:
    """Return ``value``, which must be an object."""
    assert isinstance(value, dict), value
    return value


def texts(value: JsonValue) -> list[str]:
    """Return ``value``, which must be a list of strings."""
    assert isinstance(value, list), value
    return [text(item) for item in value]


def text(value: JsonValue) -> str:
    """Return ``value``, which must be a string."""
    assert isinstance(value, str), value
    return value


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile, its lines joined."""

    keyword: str
    arguments: str

    @property
    def words(self) -> list[str]:
        """The arguments, those of an exec form too."""
        if self.arguments.startswith("["):
            return texts(json.loads(self.arguments))
        return self.arguments.split()


def final_stage() -> list[Instruction]:
    """Return the instructions of the Dockerfile's last stage, the image that runs."""
    instructions = list(_instructions())
    last = max(i for i, found in enumerate(instructions) if found.keyword == "FROM")
    return instructions[last:]


def builder_stage() -> list[Instruction]:
    """Return the instructions before the last stage."""
    return list(_instructions())[: -len(final_stage())]


def _instructions() -> Iterator[Instruction]:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    joined = "\n".join(line for line in lines if line.strip() and not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", joined).splitlines():
        keyword, _, arguments = line.partition(" ")
        yield Instruction(keyword, arguments)


def copied_sources(stage: list[Instruction]) -> list[str]:
    """Return what the stage copies out of the build context."""
    return [
        source
        for found in stage
        if found.keyword == "COPY" and not found.arguments.startswith("--from")
        for source in found.words[:-1]
    ]


def copy_as_the_image_does(folder: Path) -> Path:
    """Copy into ``folder`` what the image holds of this repository, and nothing else."""
    folder.mkdir()
    for source in copied_sources(final_stage()):
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.py[cod]")
            shutil.copytree(ROOT / source, folder / source, ignore=ignored)
        else:
            shutil.copy(ROOT / source, folder / source)
    return folder
