"""docker-compose.yml: Herald with its databases, and no secret that anyone could know."""

import re
import subprocess
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from logger_lib import JsonObject
from tests.deployment.deployed import bare_environment
from tests.deployment.documents import mapping, text, texts, yaml_file
from tests.services.herald import ROOT
from webapp.settings import Settings, documented

_DATABASES = {"mongodb", "mysql", "redis"}


def _service(name: str) -> JsonObject:
    return mapping(mapping(yaml_file("docker-compose.yml")["services"])[name])


def _run(service: str, *arguments: str, files: Path, **environ: str) -> str:
    """Run the service's entrypoint here, with ``files`` in the place of the password's volume."""
    command = [
        part.replace("$$", "$").replace("/run/password", str(files))
        for part in texts(_service(service)["entrypoint"])
    ]
    done = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env=bare_environment(**environ),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _environment_of_herald(files: Path, home: Path) -> dict[str, str]:
    """Return what Herald is given where there is no .env."""
    given = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", text(value))
        for name, value in mapping(_service("herald")["environment"]).items()
    }
    printed = _run("herald", "env", files=files, HERALD_HOME=str(home), **given)
    return dict(line.split("=", 1) for line in printed.splitlines())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The volume with the password, as the service that makes it leaves it."""
    volume = tmp_path / "password"
    volume.mkdir()
    _run("password", files=volume)
    return volume


def test_herald_can_start_with_it(files: Path, tmp_path: Path) -> None:
    """With no .env Herald gets settings that it accepts, and that lead to the other services."""
    settings = Settings.from_environment(_environment_of_herald(files, tmp_path / "home"))
    password = (files / "password").read_text()
    assert make_url(settings.database_url) == make_url(
        f"mysql+pymysql://herald:{password}@mysql:3306/herald"
    )
    assert (
        settings.mongo_uri == f"mongodb://herald:{password}@mongodb:27017/herald?authSource=admin"
    )
    assert settings.redis_url == f"redis://:{password}@redis:6379/0"
    assert settings.event_loggers == ("logging", "mongodb")


def test_secrets_are_made_once(files: Path, tmp_path: Path) -> None:
    """Password and secret key are made at random at the first start and found again at the next."""
    home = tmp_path / "home"
    first = _environment_of_herald(files, home)
    assert len(first["SECRET_KEY"]) >= 32
    assert re.fullmatch("[0-9a-f]{64}", (files / "password").read_text())
    _run("password", files=files)
    assert _environment_of_herald(files, home) == first
    assert _environment_of_herald(files, tmp_path / "other")["SECRET_KEY"] != first["SECRET_KEY"]


def test_a_given_secret_counts(files: Path, tmp_path: Path) -> None:
    """Hosts that share a database can be given the same key."""
    printed = _run("herald", "env", files=files, HERALD_HOME=str(tmp_path), SECRET_KEY="k" * 32)
    assert f"SECRET_KEY={'k' * 32}\n" in printed


def test_no_secret_is_written_in_it() -> None:
    """A password stands nowhere in the file: the services read it from the volume."""
    for name in _DATABASES - {"redis"}:
        environ = mapping(_service(name)["environment"])
        passwords = {key: value for key, value in environ.items() if key.endswith("PASSWORD")}
        assert passwords in ({}, {"MYSQL_RANDOM_ROOT_PASSWORD": "yes"})
        assert "/run/password/password" in environ.values()


def test_every_variable_is_a_setting() -> None:
    """Each variable that is handed on to Herald is one that it knows, under the same name."""
    environ = mapping(_service("herald")["environment"])
    assert set(environ) <= {row.name for row in documented()}
    assert {f"${{{name}:-}}" for name in environ} == set(environ.values())


def test_only_herald_is_published() -> None:
    """Port 1055 leads to Herald, another one where PORT says so; the databases have none."""
    assert texts(_service("herald")["ports"]) == ["${PORT:-1055}:1055"]
    assert not [name for name in _DATABASES if "ports" in _service(name)]
    assert _service("collect-worker")["ports"] == []


def test_the_worker_is_given_what_herald_is() -> None:
    """Settings, secrets and databases are the same: only what runs is another."""
    herald, worker = _service("herald"), _service("collect-worker")
    own = {"command", "ports", "healthcheck"}
    assert {name: worker[name] for name in worker if name not in own} == {
        name: herald[name] for name in herald if name not in own
    }
    assert texts(worker["command"]) == ["python", "-m", "webapp.collect.worker"]


def test_redis_keeps_what_was_collected() -> None:
    """What it has taken outlives it, and it drops nothing when it is full."""
    (_, _, command) = texts(_service("redis")["entrypoint"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "redis:/data" in texts(_service("redis")["volumes"])


def test_herald_waits_for_its_databases() -> None:
    """Herald starts when each database answers its health check, so the first start works."""
    needs = mapping(_service("herald")["depends_on"])
    assert needs == {name: {"condition": "service_healthy"} for name in _DATABASES}
    for name in _DATABASES:
        assert texts(mapping(_service(name)["healthcheck"])["test"])[0] in {"CMD", "CMD-SHELL"}
        made_before = mapping(_service(name)["depends_on"])
        assert made_before == {"password": {"condition": "service_completed_successfully"}}


def test_every_volume_is_declared() -> None:
    """What has to outlive the containers lies in named volumes."""
    declared = set(mapping(yaml_file("docker-compose.yml")["volumes"]))
    used = {
        volume.split(":")[0]
        for name in ("herald", "collect-worker", "password", *_DATABASES)
        for volume in texts(_service(name)["volumes"])
    }
    assert used == declared


def test_herald_has_time_to_drain() -> None:
    """Docker kills after 10 s unless told otherwise, which is as long as the drain may take."""
    assert _service("herald")["stop_grace_period"] == "20s"
