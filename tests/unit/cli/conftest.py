"""Commands run as people run them: through Flask's own group, in an empty folder, with nothing of this machine's environment."""

import importlib.metadata
import os
import secrets
import shutil

import pytest
from click.testing import CliRunner
from flask.cli import FlaskGroup

from secureapi import create_app
from secureapi.core.database import Database
from secureapi.core.services import service

PASSWORD = "Tall-Trees-42!"
_KEPT = {"PATH", "HOME", "LANG", "TMPDIR", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER"}


@pytest.fixture(scope="session", autouse=True)
def commands_of_packages():
    """Which packages bring commands is looked up once a run, not at each command: that reads the papers of every installed package."""
    look_up = importlib.metadata.entry_points
    found = look_up(group="flask.commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            importlib.metadata, "entry_points", lambda **asked: found if asked == {"group": "flask.commands"} else look_up(**asked)
        )
        yield


def _run(*args, input=None):  # noqa: A002 - click's own word
    apps = []

    def make_app():
        apps.append(create_app())
        return apps[-1]

    before = dict(os.environ)
    try:
        result = CliRunner().invoke(FlaskGroup(create_app=make_app), args, input=input)
    finally:
        os.environ.clear()
        os.environ.update(before)
        while apps:
            service(Database, apps.pop()).dispose()
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory and a bare environment, in which passwords are cheap to hash."""
    before = dict(os.environ)
    for name in before.keys() - _KEPT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BCRYPT_ROUNDS", "4")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    # The flask command loads .env into the environment, and nobody takes it out again.
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def flask(folder):
    """`flask("user", "list", input=...)`: the command's result, with `stdout`, `stderr` and `exit_code`."""
    return _run


@pytest.fixture(scope="session")
def run_in():
    """`run_in(folder, "user", "list", NAME="value")`: a command in another folder, for fixtures that several tests share."""

    def run(folder, *args, input=None, **environment):  # noqa: A002 - click's own word
        before = dict(os.environ)
        with pytest.MonkeyPatch.context() as patch:
            for name in before.keys() - _KEPT:
                patch.delenv(name)
            for name, value in {"BCRYPT_ROUNDS": "4", **environment}.items():
                patch.setenv(name, value)
            patch.chdir(folder)
            result = _run(*args, input=input)
        assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture(scope="session")
def furnished(run_in, tmp_path_factory):
    """A folder in which `flask init` has run once. Not to be used itself, only copied."""
    folder = tmp_path_factory.mktemp("furnished")
    (folder / "password").write_text(PASSWORD)
    run_in(folder, "init", SECUREAPI_ADMIN_PASSWORD_FILE=str(folder / "password"))
    return folder


@pytest.fixture
def installed(furnished, folder):
    """The working directory with a `.env` and a database in it, whose administrator `admin` has PASSWORD."""
    shutil.copytree(furnished, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def settings_in_the_environment(folder, monkeypatch):
    """A complete environment, so that no `.env` is needed."""
    monkeypatch.setenv("SECRET_KEY", secrets.token_urlsafe(48))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder}/own.db")
    monkeypatch.setenv("ENVIRONMENT", "testing")
    return folder
