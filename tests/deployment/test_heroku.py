"""Procfile, runtime.txt and app.json: what Heroku reads."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

from tests.deployment.deployed import Deployed, bare_environment
from tests.deployment.documents import json_file, mapping
from tests.services.herald import ROOT
from webapp.settings import Settings, documented


def _values() -> dict[str, str]:
    """Return the environment that app.json describes, a generated secret among it."""
    given: dict[str, str] = {}
    for name, entry in mapping(json_file("app.json")["env"]).items():
        described = mapping(entry)
        assert described["description"]
        generated = described.get("generator") == "secret"
        given[name] = "5" * 64 if generated else str(described["value"])
    return given


def _processes() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_the_procfile_stores_what_was_collected(image_folder: Path) -> None:
    """Beside the web process there is the worker, which is there where Redis is."""
    processes = _processes()
    assert set(processes) == {"web", "worker"}
    assert set(mapping(json_file("app.json")["formation"])) == set(processes)
    done = subprocess.run(
        shlex.split(processes["worker"]),
        cwd=image_folder,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Herald's collect worker cannot start without REDIS_URL")


def test_the_procfile_serves_with_one_worker(image_folder: Path) -> None:
    """The web command serves on PORT, as one process even where WEB_CONCURRENCY asks for more."""
    command = _processes()["web"]
    environ = {"WEB_CONCURRENCY": "3", "TRUSTED_PROXIES": "10.0.0.0/8"}
    with Deployed(shlex.split(command), image_folder, environ) as herald:
        assert herald.get("/health/live").json() == {"status": "live"}
        assert herald.process is not None
        pid = herald.process.pid
        assert len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()) == 1


def test_the_runtime_is_a_supported_python() -> None:
    """Heroku, the image and the lock name the same Python, and it is one that Herald supports."""
    found = re.fullmatch(r"python-(\d+)\.(\d+)(?:\.\d+)?\n", (ROOT / "runtime.txt").read_text())
    assert found
    version = f"{found[1]}.{found[2]}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = str(project["requires-python"]).removeprefix(">=")
    assert [*map(int, version.split("."))] >= [*map(int, least.split("."))]
    assert f"FROM python:{version}-slim\n" in (ROOT / "Dockerfile").read_text()
    assert f"with Python {version}\n" in (ROOT / "requirements.txt").read_text()


def test_the_button_gives_settings_that_herald_accepts() -> None:
    """Every variable of app.json is a setting; with Heroku's PostgreSQL they are a valid set."""
    values = _values()
    assert set(values) - {"WEB_CONCURRENCY"} <= {row.name for row in documented()}
    heroku = {"PORT": "34567", "DATABASE_URL": "postgres://user:word@host:5432/name"}
    settings = Settings.from_environment(values | heroku)
    assert settings.database_url.startswith("postgresql+pg8000://")
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8"]


def test_the_button_orders_one_dyno_and_a_database() -> None:
    """One web dyno, as rooms live in one process, and the PostgreSQL that outlives its disk."""
    app = json_file("app.json")
    assert mapping(mapping(app["formation"])["web"])["quantity"] == 1
    assert app["addons"] == [{"plan": "heroku-postgresql:essential-0"}]
