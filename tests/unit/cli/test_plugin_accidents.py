"""`flask plugin` says what happened: also when nothing did, and when somebody else's migration breaks."""

import pytest

from support.plugins import Packages


@pytest.fixture
def figs(installed, tmp_path_factory, monkeypatch):
    """An extension whose migrations have run."""
    laid = Packages(tmp_path_factory.mktemp("packages"))
    monkeypatch.syspath_prepend(laid.folder)
    laid.install("figs")
    laid.add_migrations("figs", "0001", "0002")
    monkeypatch.setenv("PLUGINS", "figs")
    yield laid
    laid.forget()


def test_a_downgrade_says_what_happened(flask, figs):
    assert flask("db", "upgrade").exit_code == 0

    assert "Nothing was taken back: figs stands at 0002." in flask("plugin", "downgrade", "figs", "--yes", "--to", "heads").stdout
    assert flask("plugin", "downgrade", "figs", "--yes", "--to", "").exit_code == 2
    assert "figs stands at 0001 now." in flask("plugin", "downgrade", "figs", "--yes", "--to", "0001").stdout
    assert "The tables of figs are taken back." in flask("plugin", "downgrade", "figs", "--yes").stdout


def test_a_migration_that_breaks_is_named_in_a_sentence(flask, figs):
    assert flask("db", "upgrade").exit_code == 0
    (migration,) = figs.folder.glob("figs_migrations/*0002*")
    whole = migration.read_text()

    migration.write_text(whole.replace("def downgrade():", "def downgrade():\n    raise RuntimeError('not today')"))
    broken = flask("plugin", "downgrade", "figs", "--yes")
    assert broken.exit_code == 1
    assert "A migration of figs does not work: RuntimeError: not today" in broken.stderr
    migration.write_text("def (")
    listed = flask("plugin", "list")
    assert listed.exit_code == 1
    assert "A migration of figs does not work: SyntaxError" in listed.stderr


def test_an_argument_that_is_no_text_is_refused_in_a_sentence(flask, installed):
    for arguments in (("apikey", "list", "\udcff"), ("user", "show", "\udcff"), ("plugin", "downgrade", "\udcff", "--yes")):
        refused = flask(*arguments)
        assert refused.exit_code == 1
        assert "this text is not UTF-8." in refused.stderr
