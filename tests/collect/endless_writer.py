"""A process that writes batches of 20 hits for ever, and says the number of each that is stored."""

import sys
from itertools import count

from logger_lib.offload import inline
from tests.collect.sums import DAY, NOON, a_hit
from webapp.collect.policies import AppPolicies
from webapp.collect.store.hit_store import HitStore
from webapp.storage.database import Database


def write_for_ever(url: str, app_id: str) -> None:
    """Write the batches 0, 1, 2 and so on, whether or not they are there."""
    database = Database(url, inline)
    store = HitStore(database, AppPolicies(database))
    for number in count():
        batch = [
            a_hit(app_id, f"{number}-{n}", user_id=f"u{n % 7}", at=NOON + number % 9 * DAY)
            for n in range(20)
        ]
        assert store.write(batch) == []
        print(number, flush=True)


if __name__ == "__main__":
    write_for_ever(sys.argv[1], sys.argv[2])
