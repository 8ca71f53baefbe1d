"""The README, followed to the letter by somebody who has just cloned the repository."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.deployed import Deployed, bare_environment
from tests.services.herald import ROOT, wait_until
from tests.services.node import FOLDER, install_client

SECONDS = 30


def block(section: str, language: str, port: int = 1055) -> str:
    """Return the code of ``language`` in a section of the README, for a server on ``port``."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, section
    code = re.search(rf"^```{language}\n(.*?)^```$", found[1], re.MULTILINE | re.DOTALL)
    assert code, (section, language)
    return code[1].replace("localhost:1055", f"localhost:{port}")


@pytest.fixture
def herald(folder: Path) -> Iterator[Deployed]:
    """The server that the README's first command starts, in a copy of the repository."""
    command = block("Two commands", "bash").splitlines()[0].partition("#")[0].split()
    with Deployed(command, folder, {}) as running:
        yield running


def shell(
    folder: Path, commands: str, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``commands`` as a terminal in ``folder`` would; what is in ``path`` is found first."""
    environ = bare_environment()
    if path is not None:
        environ["PATH"] = f"{path}:{environ['PATH']}"
    return subprocess.run(
        ["bash", "-ec", commands],
        cwd=folder,
        env=bare_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def test_listen_and_publish(folder: Path, herald: Deployed, tmp_path: Path) -> None:
    """The listener joins the room, the published event reaches it, and the answer counts it."""
    node = install_client()
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "node").symlink_to(node)
    # The registry is not a test's to ask: the package is there already.
    (commands / "npm").write_text('#!/bin/sh\n[ "$*" = "install --no-save socket.io-client" ]\n')
    (commands / "npm").chmod(0o755)
    shutil.copytree(FOLDER / "node_modules", folder / "node_modules")
    (folder / "listen.mjs").write_text(block("Listen", "js", herald.port))
    heard = tmp_path / "heard"
    environ = bare_environment()
    with heard.open("w") as log:
        listener = subprocess.Popen(
            ["bash", "-ec", block("Listen", "bash").replace("node listen", "exec node listen")],
            cwd=folder,
            env=environ | {"PATH": f"{commands}:{environ['PATH']}"},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: "{ ok: true, room: 'orders' }" in heard.read_text(), "the room", SECONDS)
        answer = shell(folder, block("Publish", "bash", herald.port))
        assert answer.returncode == 0, answer.stderr
        body = json.loads(answer.stdout.partition("\n\n")[2])
        told = json.loads(block("Publish", "json"))
        assert body | {"id": told["id"]} == told
        wait_until(lambda: "a new order: cfa3f520" in heard.read_text(), "the event")
    finally:
        listener.terminate()
        listener.wait(SECONDS)


def test_keys(folder: Path, herald: Deployed) -> None:
    """A key is issued, listed and revoked by the commands as they stand there."""
    issue, listing, revoke = block("Keys", "bash").splitlines()
    issued = shell(folder, issue)
    assert re.fullmatch(r"herald_\S+\n", issued.stdout), issued.stderr
    listed = shell(folder, listing).stdout
    (row,) = [line for line in listed.splitlines() if " shop " in line]
    revoked = shell(folder, revoke.replace("KEY_ID", row.split()[0]))
    assert revoked.returncode == 0, revoked.stderr
    assert "is revoked" in revoked.stderr
    assert herald.get("/health/ready").status_code == 200


def test_the_key_for_a_page(folder: Path) -> None:
    """The key that is meant for browsers can listen and nothing else."""
    found = re.search(
        r"`(make keys ARGS=\"issue --scopes subscribe\")`", (ROOT / "README.md").read_text()
    )
    assert found
    assert shell(folder, found[1]).stdout.startswith("herald_")
