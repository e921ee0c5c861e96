import json
import re
import sqlite3

import pytest
from click.testing import CliRunner

from secureapi import create_app
from secureapi.cli import jwt as commands
from secureapi.core.database import Database
from secureapi.core.services import service
from support.each import each

PASSWORD = "Tall-Trees-42!"
SHARED = "Ab3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXiRtY4zBn6Mq9"


@pytest.fixture
def keys(flask, installed):
    """`keys("list", "--json")`: `flask jwt keys ...` where `flask init` has run."""
    return lambda *args, **options: flask("jwt", "keys", *args, **options)


@pytest.fixture
def known(installed):
    """`known()`: every key there is, by phase, as the table says."""

    def ask():
        found = {}
        for phase, kid in execute("SELECT phase, kid FROM signing_keys ORDER BY created_at, kid"):
            found.setdefault(phase, []).append(kid)
        return found

    return ask


@pytest.fixture
def token(installed):
    """`token()`: an access token of the administrator, by HTTP; `token.status(it)`: what it opens."""
    apps = []

    class Tokens:
        def __call__(self):
            app = self.app()
            return app.test_client().post("/api/v1/auth/login", json={"username": "admin", "password": PASSWORD}).json["access_token"]

        def status(self, value):
            return self.app().test_client().get("/api/v1/users/me", headers={"Authorization": f"Bearer {value}"}).status_code

        def app(self):
            apps.append(create_app())
            return apps[-1]

    yield Tokens()
    for app in apps:
        service(Database, app).dispose()


def execute(sql, *values):
    connection = sqlite3.connect("var/secureapi.db")
    try:
        with connection:
            return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def test_the_list_is_aligned_text_for_a_pipe_and_the_same_as_json(keys):
    lines = keys("list").stdout.splitlines()
    found = json.loads(keys("list", "--json").stdout)["keys"]

    assert lines[0].split() == ["kid", "algorithm", "phase", "created_at", "activated_at", "verifies_until"]
    assert [line.split()[:4] for line in lines[1:]] == [[key["kid"], "ES256", key["phase"], key["created_at"]] for key in found]
    assert sorted(key["phase"] for key in found) == ["active", "next"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", key["created_at"]) for key in found)
    (following,) = [key for key in found if key["phase"] == "next"]
    assert (following["activated_at"], following["verifies_until"], following["is_readable"]) == (None, None, True)


def test_neither_half_of_a_key_is_ever_shown(keys):
    (private, public), *_ = execute("SELECT private_key, public_jwk FROM signing_keys WHERE phase = 'active'")
    shown = keys("list", "--json").output + keys("list").output
    assert private.hex() not in shown
    assert json.loads(public)["x"] not in shown


def test_a_rotation_moves_each_key_up_and_says_what_signs(keys, known):
    before = known()
    result = keys("rotate")

    assert result.exit_code == 0, result.output
    assert result.stdout.split()[0] == before["next"][0]
    assert known()["active"] == before["next"]
    assert known()["retiring"] == before["active"]


def test_a_rotation_speaks_json(keys, known):
    (following,) = known()["next"]
    assert json.loads(keys("rotate", "--json").stdout) == {"has_rotated": True, "kid": following}


def test_nobody_is_signed_out_by_a_rotation(keys, token):
    before = token()
    keys("rotate")
    assert token.status(before) == 200
    assert token.status(token()) == 200


def test_for_cron_nothing_happens_until_it_is_due(keys, known):
    before = known()
    assert "Nothing was due" in keys("rotate", "--if-due").stdout
    assert json.loads(keys("rotate", "--if-due", "--json").stdout) == {"has_rotated": False, "kid": None}
    assert known() == before

    execute("UPDATE signing_keys SET created_at = '2020-01-01 00:00:00', activated_at = '2020-01-01 00:00:00' WHERE phase = 'active'")
    execute("UPDATE signing_keys SET created_at = '2020-01-01 00:00:00' WHERE phase = 'next'")
    assert json.loads(keys("rotate", "--if-due", "--json").stdout) == {"has_rotated": True, "kid": before["next"][0]}
    assert known()["active"] == before["next"]


def test_retiring_the_key_that_signs_refuses_its_tokens_and_signs_with_the_next(keys, known, token):
    before, stolen = known(), token()
    result = keys("retire", before["active"][0], "--yes")

    assert result.exit_code == 0, result.output
    assert "within ten seconds" in result.stdout
    assert f"{before['next'][0]} signs in its place." in result.stdout
    assert known()["retired"] == before["active"]
    listed = json.loads(keys("list", "--all", "--json").stdout)["keys"]
    assert {(key["phase"], key["kid"]) for key in listed} == {(phase, kid) for phase, kids in known().items() for kid in kids}
    assert execute("SELECT length(private_key) FROM signing_keys WHERE phase = 'retired'") == [(0,)]
    assert token.status(stolen) == 401
    assert token.status(token()) == 200


def test_retiring_speaks_json(keys, known):
    before = known()
    told = json.loads(keys("retire", before["active"][0], "--yes", "--json").stdout)
    assert told == {"kid": before["active"][0], "was": "active", "replaced_by": before["next"][0]}


def test_without_a_terminal_nothing_is_retired_unless_it_is_said_aloud(keys, known):
    before = known()
    result = keys("retire", before["active"][0])

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert known() == before


@pytest.mark.parametrize(("typed", "is_done"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_terminal_is_told_what_it_does_and_asked(keys, known, monkeypatch, typed, is_done):
    monkeypatch.setattr(commands, "_is_terminal", lambda: True)
    before = known()
    result = keys("retire", before["active"][0], input=typed)

    assert "Every access token that it has signed is refused" in result.stderr
    assert "cannot be undone" in result.stderr
    assert result.exit_code == (0 if is_done else 1)
    assert (known() != before) == is_done


def test_twice_is_once(keys, known):
    (active,) = known()["active"]
    keys("retire", active, "--yes")
    before = known()
    result = keys("retire", active)
    assert (result.exit_code, result.stdout) == (0, f"{active} was retired already.\n")
    assert known() == before


@each("kid", ["nobody", "x" * 43, "-" + "x" * 42, "--" + "x" * 41])
def test_a_key_that_is_none_is_said_to_be_none(keys, kid):
    result = keys("retire", kid)
    assert (result.exit_code, result.stderr) == (1, "Error: There is no such signing key.\n")


@pytest.mark.parametrize("beginning", ["-", "-y", "--", "-j"])
def test_an_id_that_begins_like_an_option_is_an_id(keys, known, beginning):
    """One thumbprint in 64 begins with a hyphen."""
    kid = beginning.ljust(43, "A")
    execute("UPDATE signing_keys SET kid = ? WHERE phase = 'next'", kid)
    result = keys("retire", kid, "--yes")
    assert result.exit_code == 0, result.output
    assert kid in known()["retired"]


def test_a_shared_secret_is_changed_in_the_settings(keys, monkeypatch):
    monkeypatch.setenv("JWT_ALGORITHM", "HS256")
    monkeypatch.setenv("JWT_SECRET_KEY", SHARED)

    for options in ((), ("--if-due",)):
        result = keys("rotate", *options)
        assert result.exit_code == 1
        assert "JWT_SECRET_KEY" in result.stderr
    assert "JWT_SECRET_KEY" in keys("list").stdout
    assert SHARED not in keys("list").output


def test_keys_that_cannot_be_read_are_named(keys, monkeypatch, known):
    kids = {kid for found in known().values() for kid in found}
    monkeypatch.setenv("SECRET_KEY", "Zk3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXiRtY4zBn6MqC")
    (line,) = [line for line in keys("list").stdout.splitlines() if "Cannot be decrypted" in line]
    assert all(kid in line for kid in kids)
    assert {key["is_readable"] for key in json.loads(keys("list", "--json").stdout)["keys"]} == {False}


def test_a_database_that_is_not_there_is_a_sentence(keys, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hidden-word@127.0.0.1:1/x")
    for command in (["list"], ["rotate"], ["retire", "x", "--yes"]):
        result = keys(*command)
        assert result.exit_code == 1
        assert "flask doctor" in result.stderr
        assert "hidden-word" not in result.output
        assert "Traceback" not in result.output


def test_the_group_explains_itself():
    result = CliRunner().invoke(commands.jwt, ["keys", "--help"])
    assert {"list", "rotate", "retire"} <= set(result.stdout.split())
