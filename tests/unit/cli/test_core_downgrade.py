"""Taking our own tables back, while extensions have some that point to them; and who may change tables at the same time."""

import sqlite3

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import Engine, event, text

from secureapi.core.database import Database
from secureapi.core.migration_runs import MIGRATING
from support.plugins import Packages


@pytest.fixture
def figs(installed, tmp_path_factory, monkeypatch):
    """An extension with tables, plugged in."""
    laid = Packages(tmp_path_factory.mktemp("packages"))
    monkeypatch.syspath_prepend(laid.folder)
    laid.install("figs")
    laid.add_migrations("figs", "0001")
    monkeypatch.setenv("PLUGINS", "figs")
    yield laid
    laid.forget()


def tables(folder):
    connection = sqlite3.connect(folder / "var/secureapi.db")
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return found


def test_our_tables_stay_while_those_of_an_extension_point_to_them(flask, figs, installed, monkeypatch, caplog):
    """Also when its name was left out again in the meantime."""
    flask("db", "upgrade")
    before = tables(installed)
    monkeypatch.setenv("PLUGINS", "")

    assert flask("db", "downgrade", "base").exit_code == 1

    assert "`flask plugin downgrade figs`" in caplog.text
    assert tables(installed) == before
    monkeypatch.setenv("PLUGINS", "figs")
    assert flask("plugin", "downgrade", "figs", "--yes").exit_code == 0
    assert flask("db", "downgrade", "base").exit_code == 0
    assert "users" not in tables(installed)
    assert flask("db", "upgrade").exit_code == 0
    assert tables(installed) == before


def test_two_do_not_migrate_one_database_at_the_same_time(make_house):
    """Two hosts of one deployment that start together: one waits, and finds everything done."""
    house = make_house("scaled")
    others = []

    def try_to_come_in(connection, *_):
        if others or connection.engine is not migrating:
            return
        others.append(None)
        with house.service(Database).reader.connect() as other:
            others[0] = other.execute(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": MIGRATING}).scalar_one()

    with house.app.app_context():
        migrating = house.app.extensions["migrate"].db.engine
        for migrate in (upgrade, lambda: downgrade(revision="0010")):
            others.clear()
            event.listen(Engine, "before_cursor_execute", try_to_come_in)
            try:
                migrate()
            finally:
                event.remove(Engine, "before_cursor_execute", try_to_come_in)
            assert others == [False]
        with house.service(Database).reader.connect() as other:
            assert other.execute(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": MIGRATING}).scalar_one()
