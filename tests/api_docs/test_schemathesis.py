"""The OpenAPI document and the server agree, as schemathesis finds: it tries to show otherwise.

It calls each operation with its examples, with each limit and what is just beyond it, with what it
makes up, good and bad, and with what other calls have answered. ``HERALD_TEST_SCHEMATHESIS`` is the
number of cases that it makes up for an operation.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api_docs.conftest import Documented
from tests.services.herald import ROOT

CASES = int(os.environ.get("HERALD_TEST_SCHEMATHESIS", "5"))
SECONDS = 300 + 10 * CASES
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.timeout(SECONDS + 30)
def test_every_operation_is_as_the_document_says(documented: Documented, tmp_path: Path) -> None:
    """Every operation, every check: no failure, and the server has logged none."""
    server = documented.server
    environ = {
        **os.environ,
        "HERALD_KEY": documented.key,
        "HERALD_USER_TOKEN": documented.user_token,
        "HERALD_PARTING_TOKEN": documented.parting_token,
        "PYTHONPATH": str(ROOT),
    }
    program = [str(Path(sys.executable).with_name("schemathesis")), f"--config-file={CONFIG}"]
    run = ["run", f"{server.url}/openapi.json", "--checks=all", f"--max-examples={CASES}"]
    done = subprocess.run(
        [*program, *run, "--no-color"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    print(done.stdout[-1500:])
    assert done.returncode == 0, done.stdout + done.stderr
    operations = sum(len({*path} - {"parameters"}) for path in paths_of(documented))
    assert re.search(rf"Tested: {operations}\b", done.stdout), done.stdout
    assert "[request.failed]" not in server.log_text()


def paths_of(documented: Documented) -> list[dict[str, str]]:
    """Return the operations of each path, by method."""
    paths = documented.document("/openapi.json")["paths"]
    assert isinstance(paths, dict)
    return [dict.fromkeys(path, "") for path in paths.values() if isinstance(path, dict)]
