"""`flask user passwd --generate`: a password that nobody had to think of, shown once."""

import json
import sqlite3

import pytest

from secureapi import create_app
from secureapi.core.database import Database
from secureapi.core.services import service
from secureapi.security.errors import WeakPassword
from secureapi.security.passwords import PasswordPolicy
from support.each import each

ADMIN = "admin"


@pytest.fixture
def sign_in(installed):
    """`sign_in(password)`: the status of the administrator's login over HTTP."""
    app = create_app()
    yield lambda password: app.test_client().post("/api/v1/auth/login", json={"username": ADMIN, "password": password}).status_code
    service(Database, app).dispose()


@each("mode", ["balanced", "composition", "nist"])
def test_it_is_set_and_printed_alone_on_standard_output(flask, installed, sign_in, monkeypatch, mode):
    monkeypatch.setenv("PASSWORD_POLICY", mode)

    result = flask("user", "passwd", ADMIN, "--generate")

    assert result.exit_code == 0, result.output
    password = result.stdout.removesuffix("\n")
    assert "\n" not in password
    assert "has a new password" in result.stderr
    assert password not in result.stderr
    assert sign_in(password) == 200


def test_as_json_it_is_one_field_of_the_account(flask, installed, sign_in):
    result = flask("user", "passwd", ADMIN, "--generate", "--json")

    answer = json.loads(result.stdout)
    assert answer["username"] == ADMIN
    assert sign_in(answer["password"]) == 200


def test_each_is_another_and_none_is_stored(flask, installed):
    made = [flask("user", "passwd", ADMIN, "--generate").stdout.strip() for _ in range(2)]

    assert len(set(made)) == 2
    connection = sqlite3.connect("var/secureapi.db")
    try:
        dump = "\n".join(connection.iterdump())
    finally:
        connection.close()
    assert "auth.password.set" in dump
    assert not [password for password in made if password in dump]


def test_there_are_not_two_passwords(flask, installed):
    result = flask("user", "passwd", ADMIN, "--generate", "--password-stdin", input="Wide-Rivers-43!")

    assert result.exit_code == 2
    assert "either --generate or --password-stdin" in result.stderr


def test_one_that_was_not_set_is_not_printed(flask, installed, monkeypatch):
    def refusing(*_args, **_kwargs):
        raise WeakPassword

    monkeypatch.setattr(PasswordPolicy, "faults", refusing)

    result = flask("user", "passwd", ADMIN, "--generate")

    assert (result.exit_code, result.stdout) == (1, "")
