"""What the worker's destination makes of a batch that fails, with a real Redis and database."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from logger_lib import inline
from logger_lib.notice import Notice
from tests.services.hit_ledger import make_hits, stored_in
from tests.services.redis_server import RedisServer
from webapp.collect.hit import Hit
from webapp.collect.policies import AppPolicies
from webapp.collect.store.hit_store import HitStore
from webapp.collect.stream.hit_stream import HitStream
from webapp.collect.stream.stream_group import StreamGroup
from webapp.collect.stream.stream_writer import TRIES, StreamWriter, Taken
from webapp.storage.database import Database


class BackAfter:
    """A database that fails so many times, with an error that is no outage by its name."""

    def __init__(self, store: HitStore, failures: int) -> None:
        self._store = store
        self._failures = failures

    def write(self, batch: Sequence[Hit]) -> Sequence[tuple[Hit, str]]:
        """Write ``batch``, or fail."""
        if self._failures:
            self._failures -= 1
            raise RuntimeError("not just now")
        return self._store.write(batch)


@pytest.mark.parametrize("among", range(4), ids="{} of 4 have failed".format)
def test_an_outage_that_ends_while_hits_are_tried_one_by_one(tmp_path: Path, among: int) -> None:
    """It makes no dead letter of those that had their turn before its end."""
    url = f"sqlite:///{tmp_path}/hits.db"
    database = Database(url, inline)
    database.migrate()
    with RedisServer() as server:
        stream, group = HitStream(server.url), StreamGroup(server.url, "one")
        stream.write(make_hits(4))
        entries = group.read(4, 1.0)
        batch = [Taken(entry, Hit.from_json(entry.fields[b"hit"].decode())) for entry in entries]
        store = BackAfter(HitStore(database, AppPolicies(database)), TRIES + among)
        writer = StreamWriter(store, group, {entry.id for entry in entries}, Notice("test"))
        for _ in range(TRIES - 1):
            with pytest.raises(RuntimeError):
                writer.write(batch)
        assert writer.write(batch) == ()
        assert (writer.buried, stream.lag().entries, stream.lag().dead) == (0, 0, 0)
        stream.close()
        group.close()
    assert stored_in(url).rows == 4
    database.close()
