"""What has to be made before anything can be measured: the load client, the NestJS app."""

import shutil
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent
LOAD = BENCH / "build" / "load"
NESTJS = BENCH / "peers" / "nestjs"

_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE")
_SECONDS = 600.0


class CannotBuild(Exception):
    """A compiler or a package is missing; says which."""


def build_load_client() -> None:
    """Compile the load client where its source is newer."""
    sources = sorted(BENCH.glob("load/*.c"))
    if _is_newer(LOAD, [*sources, *BENCH.glob("load/*.h")]):
        return
    LOAD.parent.mkdir(exist_ok=True)
    _run(_tool("cc"), *_FLAGS, *map(str, sources), "-o", str(LOAD), cwd=BENCH)


def build_nestjs() -> None:
    """Install what the lock names, and compile, where that has changed."""
    installed, main = NESTJS / "node_modules" / ".package-lock.json", NESTJS / "dist" / "main.js"
    _tool("node")
    if not _is_newer(installed, [NESTJS / "package-lock.json"]):
        _run(_tool("npm"), "ci", "--silent", "--no-audit", "--no-fund", cwd=NESTJS)
        installed.touch()
    if not _is_newer(main, [*NESTJS.glob("src/*.ts"), NESTJS / "tsconfig.json", installed]):
        _run(_tool("npm"), "run", "--silent", "build", cwd=NESTJS)


def _is_newer(target: Path, sources: list[Path]) -> bool:
    if not target.exists():
        return False
    return target.stat().st_mtime >= max(source.stat().st_mtime for source in sources)


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise CannotBuild(f"{name} is needed, and not installed")
    return path


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(  # noqa: S603 - the commands above
        command, cwd=cwd, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise CannotBuild(f"{' '.join(command[:3])} … failed:\n{done.stdout}{done.stderr}")
