"""When, on what and with what was measured: without it a figure says nothing."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def day_and_machine() -> str:
    """Return today and what runs this."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores of {_processor()}, "
        f"Linux {platform.release()}"
    )


def package_versions(*packages: str) -> list[str]:
    """Return which Python this is, and which of ``packages`` it has."""
    names = [f"Python {platform.python_version()}"]
    return names + [f"{package} {version(package)}" for package in packages]


def node_versions(peer: Path, *packages: str) -> list[str]:
    """Return which Node there is, and which of ``packages`` the peer has; nothing without it."""
    script = ";".join(
        f"console.log('{name.split('/')[0].lstrip('@')}',"
        f"JSON.parse(fs.readFileSync('node_modules/{name}/package.json')).version)"
        for name in packages
    )
    try:
        done = subprocess.run(  # noqa: S603 - the words above
            ["node", "-e", f"console.log('Node', process.versions.node);{script}"],  # noqa: S607
            cwd=peer,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except OSError:
        return []
    return done.stdout.splitlines()


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()
