import json
import re
import sqlite3

import pytest

from secureapi import create_app
from secureapi.auth.api_key_values import checksum
from secureapi.core.database import Database
from secureapi.core.services import service
from support.each import each

VALUE = re.compile(r"sa_live_[A-Za-z0-9]{38}")
MADE_UP = "sa_live_" + "x" * 38


@pytest.fixture
def keys(flask, installed):
    """`keys("list", "admin")`: `flask apikey ...` in a folder with a database."""
    return lambda *args, **options: flask("apikey", *args, **options)


@pytest.fixture
def make(keys):
    """`make("--daily-quota", "5")`: the id and the value of a new key of the administrator."""

    def one(*options):
        result = keys("create", "admin", "--name", "Report", "--scope", "self:read", *options, "--json")
        assert result.exit_code == 0, result.output
        made = json.loads(result.stdout)
        return made["id"], made["api_key"]

    return one


@pytest.fixture
def ask(installed):
    """`ask(value)`: the status of a request with a key."""
    app = create_app()
    yield lambda value: app.test_client().get("/api/v1/users/me", headers={"X-API-Key": value}).status_code
    service(Database, app).dispose()


def test_a_key_is_made_and_its_value_told_once(keys, ask):
    result = keys("create", "admin", "--name", "Report", "--scope", "self:read", "--scope", "users:read")

    (value,) = VALUE.findall(result.stdout)
    assert ask(value) == 200
    listed = keys("list", "admin")
    assert "Report" in listed.stdout
    assert not VALUE.search(listed.output)


def test_programs_get_json(keys, make):
    networks = ("--network", "203.0.113.0/24", "--network", "2001:db8::1")
    key_id, value = make(*networks, "--days", "3", "--per-minute", "9", "--daily-quota", "8")

    (listed,) = json.loads(keys("list", "admin", "--json").stdout)["api_keys"]
    assert (listed["id"], listed["prefix"], listed["scopes"]) == (key_id, value[:16], ["self:read"])
    assert listed["allowed_networks"] == ["203.0.113.0/24", "2001:db8::1/128"]
    assert (listed["requests_per_minute"], listed["daily_quota"], listed["last_used_at"]) == (9, 8, None)


def test_no_keys_is_a_sentence(keys):
    assert keys("list", "admin").stdout == "This account has no API keys.\n"


def test_a_key_is_revoked_by_its_id(keys, make, ask):
    (gone, value), (_, other) = make(), make()

    assert keys("revoke", gone).stdout == f"The key {gone} is revoked.\n"
    assert [ask(value), ask(other)] == [401, 200]
    assert keys("revoke", gone).stderr == "Error: There is no such API key.\n"


@each("way", ["argument", "standard input"])
def test_a_leaked_value_revokes_its_key(keys, make, ask, way):
    key_id, value = make()

    result = keys("revoke", "--leaked", value) if way == "argument" else keys("revoke", "--leaked", "-", input=f"{value}\n")

    assert result.stdout == f"The key {key_id} is revoked.\n"
    assert value not in result.output
    assert ask(value) == 401
    assert keys("revoke", "--leaked", value).exit_code == 0, "whoever finds it twice has not made a mistake"


def test_a_value_with_a_wrong_checksum_is_told_apart_from_one_that_is_unknown(keys, make):
    _, value = make()
    wrong = value[:-1] + ("x" if value[-1] != "x" else "y")

    assert "its checksum is wrong" in keys("revoke", "--leaked", wrong).stderr
    assert "its checksum is wrong" in keys("revoke", "--leaked", MADE_UP).stderr
    other = "sa_live_00000000000000000000000000000000"
    assert keys("revoke", "--leaked", other + checksum(other)).stderr == "Error: There is no such API key.\n"


def test_the_wrong_ending_does_not_revoke_somebody_elses_key(keys, make, ask):
    """The same beginning, by which it is found, and a checksum that is right."""
    _, value = make()
    body = value[:16] + "0" * 24

    assert keys("revoke", "--leaked", body + checksum(body)).stderr == "Error: There is no such API key.\n"
    assert ask(value) == 200


@each("options", [(), ("01890000-0000-7000-8000-000000000000", "--leaked", "x")])
def test_either_an_id_or_a_value_is_wanted(keys, options):
    assert keys("revoke", *options).exit_code == 2


@each("key_id", ["1", "{01890000-0000-7000-8000-000000000000}", "01890000-0000-7000-8000-000000000000"])
def test_a_key_that_is_not_there_is_a_sentence(keys, key_id):
    assert keys("revoke", key_id).stderr == "Error: There is no such API key.\n"


@each(
    ("options", "said"),
    [
        (("--scope", "self:fly"), "scopes"),
        (("--scope", "self:read", "--scope", "self:read"), "Name each only once."),
        (("--scope", "self:read", "--network", "10.0.0.1/8"), "network"),
        (("--scope", "self:read", "--days", "0"), "expires in days"),
        (("--scope", "self:read", "--days", "3000"), "At most 365 days"),
        (("--scope", "self:read", "--per-minute", "601"), "At most 600 requests a minute"),
    ],
)
def test_what_cannot_be_is_a_sentence(keys, options, said):
    result = keys("create", "admin", "--name", "Report", *options)

    assert result.exit_code == 1
    assert said in result.stderr
    connection = sqlite3.connect("var/secureapi.db")
    assert connection.execute("SELECT count(*) FROM api_keys").fetchone() == (0,)
    connection.close()


def test_the_command_line_gives_nobody_more_than_he_has(flask, keys):
    account = ("--username", "viewer", "--email", "viewer@example.com", "--role", "viewer")
    made = flask("user", "create", *account, "--password-stdin", input="Tall-Trees-43!\n")
    assert made.exit_code == 0, made.output

    result = keys("create", "viewer", "--name", "Report", "--scope", "self:read", "--scope", "content:write")

    assert result.exit_code == 1
    assert "more permissions than its owner" in result.stderr
