"""`flask config change`, `changes`, `restore` and `show`: the way back for whoever has locked himself out."""

import json
import sqlite3

import pytest


@pytest.fixture
def config(flask, installed):
    """`config("change", ...)`: `flask config ...` in a folder with a database."""
    return lambda *args: flask("config", *args)


def shown(config, name):
    return json.loads(config("show", "--json").stdout)[name]


def test_a_change_is_made_shown_told_and_taken_back(config):
    assert shown(config, "PROFILE_RATE_LIMIT") == {"value": "30/minute", "source": "default", "read_from": ""}

    made = config("change", "PROFILE_RATE_LIMIT=60 per hour", "registration=closed", "--comment", "An attack")

    assert made.stdout.splitlines() == [
        "PROFILE_RATE_LIMIT: (as started) -> 60/hour",
        "REGISTRATION: (as started) -> closed",
        "This is version 1. Every worker has it within 5 seconds.",
    ]
    assert shown(config, "PROFILE_RATE_LIMIT") == {"value": "60/hour", "source": "changed", "read_from": "version 1"}
    assert "changed, version 1" in config("show").stdout
    assert "nothing was changed" in config("restore", "0", "--dry-run").stdout.lower()
    assert json.loads(config("change", "REGISTRATION=", "--json").stdout)["version"] == 2
    config("restore", "0")
    told = json.loads(config("changes", "--json").stdout)["versions"]
    assert [(one["version"], one["made_by"], one["comment"], one["restored"]) for one in told] == [
        (3, None, "", 0), (2, None, "", None), (1, None, "An attack", None)
    ]  # fmt: skip
    assert "command line" in config("changes").stdout
    assert shown(config, "PROFILE_RATE_LIMIT")["source"] == "default"


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (("LOGIN_RATE_LIMIT=often",), "changes/LOGIN RATE LIMIT: Write it as"),
        (("SECRET_KEY=sesame",), "Cannot change while the server runs"),
        (("NO_SUCH=1",), "Is not a setting of this version"),
        (("LOGIN_RATE_LIMIT",), "NAME=VALUE"),
        (("REGISTRATION=open", "registration=closed"), "named twice"),
    ],
)
def test_what_cannot_be_so_is_said_and_not_repeated(config, pairs, says):
    refused = config("change", *pairs)

    assert refused.exit_code in {1, 2}
    assert says in refused.stderr
    assert "sesame" not in refused.stderr
    assert "Nothing was changed" in config("changes").stdout


def test_the_doctor_names_what_cannot_count_and_show_leaves_it_out(config, flask, installed):
    kept = json.dumps({"NEXT_YEARS_LIMIT": "5/minute", "MAX_LOGIN_ATTEMPTS": "1000", "REGISTRATION": "closed"})
    with sqlite3.connect(installed / "var/secureapi.db") as connection:
        row = (4, "2026-01-01 00:00:00", "[]", "", kept)
        connection.execute("INSERT INTO settings_versions (number, made_at, changes, comment, overrides) VALUES (?, ?, ?, ?, ?)", row)
    connection.close()

    checks = {check["name"]: check for check in json.loads(flask("doctor", "--json").stdout)["checks"]}

    found = checks["changed settings"]
    assert found["status"] == "warning"
    assert "NEXT_YEARS_LIMIT is not a setting of this version" in found["detail"]
    assert found["remedy"].endswith("flask config change NEXT_YEARS_LIMIT= MAX_LOGIN_ATTEMPTS=")
    assert [shown(config, name)["source"] for name in ("MAX_LOGIN_ATTEMPTS", "REGISTRATION")] == ["default", "changed"]
    config("change", "NEXT_YEARS_LIMIT=", "MAX_LOGIN_ATTEMPTS=")
    checks = {check["name"]: check for check in json.loads(flask("doctor", "--json").stdout)["checks"]}
    assert checks["changed settings"]["detail"] == "version 5, 1 in force"


def test_show_works_without_a_database_and_says_what_it_has_not_seen(flask, installed):
    with sqlite3.connect(installed / "var/secureapi.db") as connection:
        connection.execute("DROP TABLE settings_versions")
    connection.close()

    result = flask("config", "show", "--json")

    assert json.loads(result.stdout)["REGISTRATION"]["source"] == "default"
    assert "cannot be asked" in result.stderr
    (installed / "var/secureapi.db").unlink()
    result = flask("config", "show", "--json")
    assert result.exit_code == 0
    assert not (installed / "var/secureapi.db").exists()
