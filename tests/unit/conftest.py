"""What unit tests share: a bounded hypothesis, and an SQLite file with every table where a database is unavoidable."""

import shutil

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine

from secureapi.auth import models as _auth_tables  # noqa: F401 - registers its tables
from secureapi.core.database import Base, Database, engine_options, reading_engine
from secureapi.core.problems import init_problems
from secureapi.security import models as _security_tables  # noqa: F401 - likewise
from secureapi.users import models as _users_tables  # noqa: F401 - likewise

# What a property must survive before it is believed. More of the same costs more than it has ever found.
EXAMPLES = 60

# The same examples on every run, and nothing kept on disk: a run that fails can be repeated anywhere.
settings.register_profile(
    "house",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("house")


@pytest.fixture
def bare_app():
    """Flask with our problem documents and a body limit of 100 bytes, and nothing else."""
    app = Flask("bare")
    app.config["MAX_BODY_BYTES"] = 100
    init_problems(app)
    return app


@pytest.fixture(scope="session")
def every_table(tmp_path_factory, make_settings):
    """An SQLite file with every table and nothing in it. Not to be used itself, only copied: making thirty tables takes 100 ms."""
    file = tmp_path_factory.mktemp("tables") / "unit.db"
    opened = _open(make_settings(database_url=f"sqlite:///{file}"))
    Base.metadata.create_all(opened.engine)
    opened.dispose()
    return file


@pytest.fixture
def database(every_table, tmp_path, make_settings):
    """A real SQLite file with every table, without an application around it."""
    file = shutil.copy(every_table, tmp_path)
    opened = _open(make_settings(database_url=f"sqlite:///{file}"))
    yield opened
    opened.dispose()


def _open(chosen):
    return Database(create_engine(chosen.database_url, **engine_options(chosen)), reading_engine(chosen))
