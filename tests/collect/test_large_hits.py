"""Large hits and MariaDB, which says the same of what is too large for it and of an outage."""

from pathlib import Path

import pytest
from sqlalchemy import event, make_url

from logger_lib.offload import inline
from tests.collect.sums import NOON, a_hit, hits_of, require_in_step
from tests.services.databases import temporary_mariadb
from tests.services.fault_proxy import FaultProxy
from tests.services.migrated import migrated
from webapp.collect.deletion.removal import HitRemoval
from webapp.collect.policies import AppPolicies
from webapp.collect.store.hit_store import HitStore
from webapp.errors import Unavailable
from webapp.storage.database import Database
from webapp.storage.hit_tables import HitRow

MEBIBYTE = 1 << 20
"""What MySQL took once, and MariaDB can be told to."""

LARGE = 300_000
TOO_LARGE = 17 * 1024 * 1024
"""Characters; a server takes 16 MiB unless told otherwise."""


def test_an_outage_refuses_no_large_hit(app_id: str) -> None:
    """A connection that ends within a large hit, or cannot be made, leaves it to be written yet."""
    with temporary_mariadb() as url:
        parsed = make_url(url)
        assert parsed.port is not None
        with FaultProxy(parsed.port) as proxy:
            near = parsed.set(host="127.0.0.1", port=proxy.port)
            database = Database(near.render_as_string(hide_password=False), inline)
            database.migrate()
            store = HitStore(database, AppPolicies(database))
            batch = [a_hit(app_id, str(n), referrer="r" * LARGE) for n in range(3)]
            proxy.cut_after(LARGE // 2)
            with pytest.raises(Unavailable):
                store.write(batch)
            proxy.cut()
            with pytest.raises(Unavailable):
                store.write(batch)
            proxy.heal()
            assert store.write(batch) == []
            assert hits_of(database, app_id) == 3
            require_in_step(database, app_id)
            database.close()


def test_a_hit_that_is_too_large_is_refused_alone(app_id: str) -> None:
    """What the server can never take is given back with the reason, and all others are stored."""
    with temporary_mariadb() as url:
        database = Database(url, inline)
        database.migrate()
        store = HitStore(database, AppPolicies(database))
        batch = [
            a_hit(app_id, str(n), referrer="r" * (TOO_LARGE if n == 2 else 9)) for n in range(5)
        ]
        refused = store.write(batch)
        assert [(hit.message_id, "max_allowed_packet" in why) for hit, why in refused] == [
            ("2", True)
        ]
        assert hits_of(database, app_id) == 4
        require_in_step(database, app_id)
        database.close()


def test_names_that_take_four_times_as_much(app_id: str) -> None:
    """No statement of a batch comes near to a packet, whatever its names take as JSON."""
    many = 600
    with migrated("mariadb", Path()) as url:
        database = Database(url, inline)
        sizes: list[int] = []
        event.listen(
            database.engine,
            "before_cursor_execute",
            lambda *given: sizes.append(len(given[1].mogrify(given[2], given[3] or None))),
        )
        names = ['"' * 194 + f"{n:06}" for n in range(many)]
        batch = [a_hit(app_id, str(n), event=names[n], user_id=names[n]) for n in range(many)]
        assert HitStore(database, AppPolicies(database)).write(batch) == []
        assert max(sizes) < MEBIBYTE
        assert HitRemoval(database).remove(app_id, HitRow.at == NOON, many) == many
        assert max(sizes) < MEBIBYTE
        require_in_step(database, app_id)
        database.close()
