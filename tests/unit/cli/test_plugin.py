"""`flask plugin`, and what `flask db upgrade`, `flask init` and `flask doctor` know of the tables of extensions."""

import json
import sqlite3

import pytest

from support.plugins import Packages


@pytest.fixture
def packages(installed, tmp_path_factory, monkeypatch):
    """Two extensions whose migrations have the same names, plugged in to an installation that is there already."""
    laid = Packages(tmp_path_factory.mktemp("packages"))
    monkeypatch.syspath_prepend(laid.folder)
    for name in ("plums", "pears"):
        laid.install(name)
        laid.add_migrations(name, "0001", "0002")
    monkeypatch.setenv("PLUGINS", "plums,pears")
    yield laid
    laid.forget()


@pytest.fixture
def tables(installed):
    """`tables()`: those of extensions, by name."""

    def read():
        connection = sqlite3.connect(installed / "var/secureapi.db")
        found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'p%s\\_0%' ESCAPE '\\'")}
        connection.close()
        return found

    return read


ALL = {"plums_0001", "plums_0002", "pears_0001", "pears_0002"}


def pending(flask):
    return {row["name"]: row["pending"] for row in json.loads(flask("plugin", "list", "--json").stdout)["plugins"]}


def test_an_upgrade_brings_everybodys_tables(flask, packages, tables):
    assert pending(flask) == {"plums": 2, "pears": 2}

    assert flask("db", "upgrade").exit_code == 0

    assert tables() == ALL
    assert pending(flask) == {"plums": 0, "pears": 0}


def test_a_first_start_brings_them_too_and_the_doctor_misses_them(flask, packages, tables):
    missed = flask("doctor")
    assert "4 have not run" in missed.stdout

    assert "ran 4, now at pears:0002" in flask("init").stdout

    assert tables() == ALL
    assert "already up to date" in flask("init").stdout
    assert "have not run" not in flask("doctor").stdout


def test_an_extension_that_grows_gets_only_what_is_new(flask, packages, tables):
    flask("db", "upgrade")
    packages.add_migrations("plums", "0001", "0002", "0003")
    assert pending(flask) == {"plums": 1, "pears": 0}

    flask("db", "upgrade")

    assert tables() == ALL | {"plums_0003"}


def test_a_step_that_is_not_the_last_of_ours_touches_no_extension(flask, packages, tables):
    assert flask("db", "downgrade", "0007").exit_code == 0
    assert flask("db", "upgrade", "0007").exit_code == 0
    assert flask("db", "current").exit_code == 0
    assert tables() == set()

    flask("db", "upgrade")

    assert tables() == ALL


def test_a_downgrade_of_ours_leaves_theirs(flask, packages, tables):
    flask("db", "upgrade")

    assert flask("db", "downgrade", "0007").exit_code == 0

    assert tables() == ALL


def test_without_their_names_everything_goes_on(flask, packages, tables, monkeypatch):
    flask("db", "upgrade")
    monkeypatch.setenv("PLUGINS", "")

    assert flask("db", "upgrade").exit_code == 0
    assert "up to date" in flask("doctor").stdout
    assert "No extension with tables" in flask("plugin", "list").stdout
    assert tables() == ALL


def test_the_tables_of_one_are_taken_back(flask, packages, tables):
    flask("db", "upgrade")

    assert flask("plugin", "downgrade", "plums", "--to", "0001", "--yes").exit_code == 0
    assert tables() == ALL - {"plums_0002"}
    assert flask("plugin", "downgrade", "plums", "--yes").exit_code == 0
    assert tables() == ALL - {"plums_0001", "plums_0002"}
    assert pending(flask) == {"plums": 2, "pears": 0}


def test_nothing_is_lost_by_a_slip(flask, packages, tables):
    flask("db", "upgrade")

    for arguments in (("plumbs", "--yes"), ("plums", "--to", "0009", "--yes"), ("plums",)):
        refused = flask("plugin", "downgrade", *arguments)
        assert refused.exit_code != 0
        assert "Traceback" not in refused.output

    assert tables() == ALL


def test_one_that_is_newer_than_its_code_is_told(flask, packages, tables):
    packages.add_migrations("plums", "0001", "0002", "0003")
    flask("db", "upgrade")
    (packages.folder / "plums_migrations/0003.py").unlink()

    assert "a revision that this version does not know" in flask("doctor").stdout


def test_the_doctor_says_which_plugin_is_missing(flask, packages, monkeypatch):
    monkeypatch.setenv("PLUGINS", "plumbs")

    said = flask("doctor")

    assert said.exit_code == 1
    assert 'no installed package offers "plumbs"' in said.stdout
    assert "defect of the code" not in said.stdout
