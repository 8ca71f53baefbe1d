"""Run by ``test_database``: many greenlets on SQLite while another connection locks the file."""

import eventlet

eventlet.monkey_patch()

import sqlite3  # noqa: E402 - everything comes after the patch
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))

from webapp.access.first_key import first_key  # noqa: E402
from webapp.access.gate import Gate  # noqa: E402
from webapp.access.keys import ApiKeys  # noqa: E402
from webapp.access.scopes import Scope  # noqa: E402
from webapp.access.tokens import KeySigner  # noqa: E402
from webapp.offload import make_offload  # noqa: E402
from webapp.storage.database import Database  # noqa: E402

_LOCKED_SECONDS = 0.6
_LONGEST_PAUSE = 0.25


def main(home: Path) -> None:
    """Print ``went on`` where no pause of the loop came near the time the file was locked."""
    path = home / "herald.db"
    database = Database(f"sqlite:///{path}", make_offload())
    database.migrate()
    signer = KeySigner("s" * 32)
    keys = ApiKeys(database, signer)
    token = first_key(keys)
    gate = Gate(keys, signer)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    writers = [eventlet.spawn(keys.apps.ensure, f"app {number}") for number in range(5)]
    readers = [eventlet.spawn(gate.admit, token, Scope.PUBLISH) for _ in range(50)]
    longest = _longest_pause(_LOCKED_SECONDS)
    blocker.execute("ROLLBACK")
    blocker.close()
    assert len({reader.wait().key_id for reader in readers}) == 1
    assert len({writer.wait() for writer in writers}) == 5
    assert gate.counts().misses <= 50
    database.close()
    assert longest < _LONGEST_PAUSE, longest
    print("went on")


def _longest_pause(seconds: float) -> float:
    start = last = time.monotonic()
    longest = 0.0
    while last - start < seconds:
        eventlet.sleep(0.01)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    return longest


if __name__ == "__main__":
    main(Path(sys.argv[1]))
