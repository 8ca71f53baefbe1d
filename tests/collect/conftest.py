"""A store of hits on each kind of database."""

from uuid import uuid4

import pytest

from webapp.collect.policies import AppPolicies
from webapp.collect.store.hit_store import HitStore
from webapp.storage.database import Database


@pytest.fixture
def database(any_database: Database) -> Database:
    """A migrated, empty database of each kind."""
    return any_database


@pytest.fixture
def store(database: Database) -> HitStore:
    """The store of hits in it."""
    return HitStore(database, AppPolicies(database))


@pytest.fixture
def app_id() -> str:
    """The id of an app."""
    return str(uuid4())
