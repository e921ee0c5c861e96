"""What unit tests share: a bounded hypothesis, and an SQLite file with every table where a database is unavoidable."""

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine

from secureapi.auth import models as _auth_tables  # noqa: F401 - registers its tables
from secureapi.core.database import Base, Database, engine_options, reading_engine
from secureapi.core.problems import init_problems
from secureapi.security import models as _security_tables  # noqa: F401 - likewise
from secureapi.users import models as _users_tables  # noqa: F401 - likewise

# The same examples on every run, and nothing kept on disk: a run that fails can be repeated anywhere.
settings.register_profile(
    "house",
    max_examples=150,
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


@pytest.fixture
def database(tmp_path, make_settings):
    """A real SQLite file with every table, without an application around it."""
    chosen = make_settings(database_url=f"sqlite:///{tmp_path / 'unit.db'}")
    opened = Database(create_engine(chosen.database_url, **engine_options(chosen)), reading_engine(chosen))
    Base.metadata.create_all(opened.engine)
    yield opened
    opened.dispose()
