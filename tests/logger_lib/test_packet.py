"""Large records and MariaDB, which says the same of what is too large for it and of an outage."""

from collections.abc import Iterator

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from logger_lib.destinations.sql import SqlLoggerFactory
from logger_lib.errors import RecordsRejected
from tests.logger_lib.conftest import read_all, record
from tests.services.databases import temporary_mariadb
from tests.services.fault_proxy import FaultProxy

LARGE = 5_000_000
"""Characters: less than a server takes, and more than its connections usually carry at once."""
TOO_LARGE = 17 * 1024 * 1024
"""Characters; a server takes 16 MiB unless told otherwise."""
HALF_TOO_LARGE = 9 * 1024 * 1024
"""Twice as large in a statement, where each of these characters is escaped."""


@pytest.fixture
def url() -> Iterator[str]:
    """An empty database of MariaDB."""
    with temporary_mariadb() as url:
        yield url


def make(url: str) -> SqlLoggerFactory:
    factory = SqlLoggerFactory.from_settings({"DATABASE_URL": url})
    factory.sink.prepare()
    return factory


def test_an_outage_refuses_no_large_record(url: str) -> None:
    """A connection that ends within a large record, or cannot be made, leaves it to be tried."""
    parsed = make_url(url)
    assert parsed.port is not None
    with FaultProxy(parsed.port) as proxy:
        near = parsed.set(host="127.0.0.1", port=proxy.port)
        factory = make(near.render_as_string(hide_password=False))
        batch = [record(name, text="x" * LARGE) for name in "abc"]
        proxy.cut_after(LARGE // 2)
        with pytest.raises(DBAPIError):
            factory.sink.write(batch)
        proxy.cut()
        with pytest.raises(DBAPIError):
            factory.sink.write(batch)
        proxy.heal()
        factory.sink.write(batch)
        assert [each.event for each in read_all(factory.create_reader())] == [*"abc"]
        factory.close()


@pytest.mark.parametrize("large", ["x" * TOO_LARGE, "'" * HALF_TOO_LARGE], ids=["long", "escaped"])
def test_a_record_that_is_too_large_is_refused_alone(url: str, large: str) -> None:
    """What the server can never take is given back with the reason, and all others are stored."""
    factory = make(url)
    batch = [record(name, text=large if name == "c" else "") for name in "abcde"]
    with pytest.raises(RecordsRejected) as raised:
        factory.sink.write(batch)
    assert [(each.event, "max_allowed_packet" in why) for each, why in raised.value.refusals] == [
        ("c", True)
    ]
    assert [each.event for each in read_all(factory.create_reader())] == [*"abde"]
    factory.close()
