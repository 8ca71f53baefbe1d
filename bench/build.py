"""What has to be made before anything can be measured: the load client, the peers on Node."""

import shutil
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent
LOAD = BENCH / "build" / "load"
NESTJS = BENCH / "peers" / "nestjs"
COLLECTOR = BENCH / "peers" / "express-collector"
LEAST_NODE = 20

_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE")
_SECONDS = 180.0


class CannotBuild(Exception):
    """What is here does not compile, or there is no compiler; says why."""


class PackagesMissing(CannotBuild):
    """Node or a package for it cannot be had."""


def build_load_client() -> None:
    """Compile the load client where its source is newer."""
    sources = sorted(BENCH.glob("load/*.c"))
    if _is_newer(LOAD, [*sources, *BENCH.glob("load/*.h")]):
        return
    LOAD.parent.mkdir(exist_ok=True)
    _run(_tool("cc"), *_FLAGS, *map(str, sources), "-o", str(LOAD), cwd=BENCH)


def build_nestjs() -> None:
    """Install what its lock names, and compile, where that has changed."""
    installed, main = _installed(NESTJS), NESTJS / "dist" / "main.js"
    if not _is_newer(main, [*NESTJS.glob("src/*.ts"), NESTJS / "tsconfig.json", installed]):
        _run(_tool("npm"), "run", "--silent", "build", cwd=NESTJS)


def install_collector() -> None:
    """Install what the lock of the collector's peer names."""
    _installed(COLLECTOR)


def _installed(peer: Path) -> Path:
    """Install what the peer's lock names where that has changed; return what tells when."""
    installed = peer / "node_modules" / ".package-lock.json"
    try:
        _require_node(peer)
        if not _is_newer(installed, [peer / "package-lock.json"]):
            npm = _tool("npm")
            _run(npm, "ci", "--loglevel=error", "--no-audit", "--no-fund", cwd=peer)
            installed.touch()
    except CannotBuild as error:
        raise PackagesMissing(str(error)) from error
    return installed


def _is_newer(target: Path, sources: list[Path]) -> bool:
    if not target.exists():
        return False
    return target.stat().st_mtime >= max(source.stat().st_mtime for source in sources)


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise CannotBuild(f"{name} is needed, and not installed")
    return path


def _require_node(peer: Path) -> None:
    major = int(_run(_tool("node"), "--print", "parseInt(process.versions.node)", cwd=peer))
    if major < LEAST_NODE:
        raise CannotBuild(f"Node {LEAST_NODE} or newer is needed, and this is {major}")


def _run(*command: str, cwd: Path) -> str:
    what = " ".join((Path(command[0]).name, *command[1:2]))
    try:
        done = subprocess.run(  # noqa: S603 - the commands above
            command, cwd=cwd, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CannotBuild(f"{what} took more than {_SECONDS:.0f} s") from error
    if done.returncode:
        raise CannotBuild(f"{what} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
