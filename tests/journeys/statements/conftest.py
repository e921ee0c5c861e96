"""Databases with a table of the tests' own in them."""

import time
from types import SimpleNamespace

import pytest

from journeys.prepared import AN_IDLE_WHILE, things
from secureapi.core.database import Database


@pytest.fixture
def make_database():
    """`make_database(house)`: its database, with a table of ours in it as long as the test lasts."""
    made = []

    def make(house):
        database = house.service(Database)
        things.metadata.create_all(database.engine)
        made.append(database)
        return database

    yield make
    for database in made:
        things.metadata.drop_all(database.engine)


@pytest.fixture
def database(house, make_database):
    """On each engine."""
    yield (found := make_database(house))
    assert found.reader.pool.checkedout() == 0, "a connection was lent and not given back"


@pytest.fixture
def single(make_house, make_database):
    """On PostgreSQL, with exactly one connection for `run`."""
    found = make_database(make_house("scaled", database_pool_size=1))
    yield found
    assert found.reader.pool.checkedout() == 0


@pytest.fixture
def shared(make_house, make_database):
    """On PostgreSQL, with four connections."""
    found = make_database(make_house("scaled", database_pool_size=4))
    yield found
    assert found.reader.pool.checkedout() == 0


@pytest.fixture
def later(monkeypatch):
    """`later()`: an idle while has passed, after which a connection is looked at before it is lent."""
    moved = SimpleNamespace(by=0.0)
    monkeypatch.setattr("secureapi.core.database.time", SimpleNamespace(monotonic=lambda: time.monotonic() + moved.by))

    def pass_by():
        moved.by += AN_IDLE_WHILE

    return pass_by
