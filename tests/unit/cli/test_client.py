import base64
import json
import re

import pytest

from secureapi import create_app
from secureapi.core.database import Database
from secureapi.core.services import service
from support.each import each

SECRET = re.compile(r"sac_[A-Za-z0-9_-]{43}")


@pytest.fixture
def clients(flask, installed):
    """`clients("add", "shop")`: `flask client ...` in a folder with a database."""
    return lambda *args, **options: flask("client", *args, **options)


@pytest.fixture
def ask(installed):
    """`ask("shop", secret)`: the status of an introspection."""
    app = create_app()

    def status(client_id, secret):
        pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}"}
        return app.test_client().post("/api/v1/auth/introspect", headers=headers, data={"token": "x"}).status_code

    yield status
    service(Database, app).dispose()


def secret_of(result):
    assert result.exit_code == 0, result.output
    (secret,) = SECRET.findall(result.output)
    return secret


def test_a_client_is_added_and_its_secret_told_once(clients, ask):
    result = clients("add", "shop", "--description", "Orders")

    assert result.stdout.splitlines()[0].split() == ["client_id", "shop"]
    assert ask("shop", secret_of(result)) == 200
    listed = clients("list").stdout
    assert "Orders" in listed
    assert not SECRET.search(listed)
    assert not SECRET.search(clients("list", "--json").stdout)


def test_programs_get_json(clients):
    made = json.loads(clients("add", "shop", "--json").stdout)

    assert made["client_id"] == "shop"
    assert SECRET.fullmatch(made["client_secret"])
    (listed,) = json.loads(clients("list", "--json").stdout)["clients"]
    assert (listed["client_id"], listed["description"]) == ("shop", "")
    assert listed["created_at"].endswith("Z")


def test_no_clients_is_a_sentence(clients):
    assert clients("list").stdout == "There are no clients.\n"
    assert json.loads(clients("list", "--json").stdout) == {"clients": []}


def test_a_new_secret_is_good_and_the_old_one_is_not(clients, ask):
    old = secret_of(clients("add", "shop"))

    new = secret_of(clients("new-secret", "shop"))

    assert [ask("shop", old), ask("shop", new)] == [401, 200]


def test_a_client_that_was_removed_may_ask_no_more(clients, ask):
    secret = secret_of(clients("add", "shop"))

    assert clients("remove", "shop").stdout == "The client is removed.\n"
    assert ask("shop", secret) == 401
    secret_of(clients("add", "shop"))
    assert json.loads(clients("remove", "shop", "--json").stdout) == {"client_id": "shop"}


def test_an_id_that_is_taken_is_a_sentence(clients, ask):
    secret = secret_of(clients("add", "shop"))

    result = clients("add", "shop")

    assert (result.exit_code, result.stderr) == (1, "Error: There is a client with this id already.\n")
    assert ask("shop", secret) == 200


@each("command", ["new-secret", "remove"])
def test_a_client_that_is_not_there_is_a_sentence(clients, command):
    result = clients(command, "shop")

    assert (result.exit_code, result.stderr) == (1, "Error: There is no such client.\n")


@each("client_id", ["Shop", "ab", "a b", "a" * 65, "\x1b[2Jabc"])
def test_an_id_must_be_of_plain_letters(clients, client_id):
    result = clients("add", client_id)

    assert result.exit_code == 1
    assert "client id: " in result.stderr
    assert client_id not in result.output


@each("description", ["x" * 201, "two\nlines", "\x1b[2J"])
def test_a_description_is_one_short_line(clients, description):
    assert clients("add", "shop", "--description", description).exit_code == 1
    assert clients("list").stdout == "There are no clients.\n"
