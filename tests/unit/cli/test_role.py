import json
import sqlite3

import pytest

from support.each import each


@pytest.fixture
def roles(flask, installed):
    """`roles("define", "auditor")`: `flask role ...` in a folder with a database."""
    return lambda *args, **options: flask("role", *args, **options)


@pytest.fixture
def users(flask, installed):
    return lambda *args, **options: flask("user", *args, **options)


def events_of(kind):
    connection = sqlite3.connect("var/secureapi.db")
    try:
        return connection.execute("SELECT count(*) FROM audit_events WHERE type = ?", (kind,)).fetchone()[0]
    finally:
        connection.close()


def test_a_role_is_defined_given_explained_and_removed(roles, users):
    made = json.loads(roles("define", "auditor", "--permission", "admin:read", "--description", "Reads the trail", "--json").stdout)
    assert made == {
        "name": "auditor", "description": "Reads the trail", "rank": 20, "permissions": ["admin:read"], "is_built_in": False,
        "version": made["version"],
    }  # fmt: skip
    assert "Reads the trail" in roles("list").stdout
    assert users("invite", "--email", "a@example.com", "--username", "anna", "--role", "auditor").exit_code == 0

    assert roles("explain", "anna", "admin:read").stdout == "Yes. The custom role auditor has admin:read.\n"
    assert json.loads(roles("explain", "anna", "users:read", "--json").stdout)["code"] == "role_lacks"
    assert "There are accounts with this role" in roles("remove", "auditor").stderr
    assert roles("change", "auditor", "--no-permissions").exit_code == 0
    assert roles("explain", "anna", "admin:read").stdout.startswith("No. ")
    assert users("role", "a@example.com", "viewer").stdout == "anna has the role viewer.\n"
    assert roles("remove", "auditor").stdout == "The role auditor is gone.\n"
    assert events_of("roles.removed") == 1


@each(
    ("args", "says"),
    [
        (("define", "Auditor"), "lower-case"),
        (("define", "admin"), "a role of this name already"),
        (("change", "admin", "--rank", "5"), "built-in role cannot be changed"),
        (("change", "auditor", "--rank", "5"), "no such role"),
        (("change", "auditor"), "at least one field"),
        (("remove", "auditor"), "no such role"),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(roles, args, says):
    result = roles(*args)

    assert result.exit_code == 1
    assert says in result.stderr
    assert result.stdout == ""


def test_an_account_is_locked_unlocked_and_deleted_and_the_last_administrator_is_not(users):
    assert users("invite", "--email", "a@example.com", "--username", "anna").exit_code == 0
    assert users("invite-again", "anna").stdout == "anna is sent another invitation.\n"

    assert users("lock", "anna").stdout == "anna is locked.\n"
    assert "locked" in users("list", "--status", "locked").stdout
    assert users("lock", "anna", "--minutes", "60", "--reason", "Lost her telephone.").stdout.startswith("anna is locked until 20")
    assert "range" not in users("lock", "anna", "--minutes", "99999999").stdout
    assert users("unlock", "anna").stdout.startswith("anna is not locked any more")
    assert users("require-password-change", "anna").exit_code == 0
    assert users("delete", "anna", input="n\n").exit_code == 1
    assert users("delete", "anna", "--yes").stdout == "anna is gone.\n"
    for command in (("lock", "admin"), ("delete", "admin", "--yes"), ("role", "admin", "user")):
        assert "last active administrator" in users(*command).stderr
    assert events_of("users.administration.refused") == 3


def test_an_unknown_role_is_given_to_nobody(users):
    assert "There is no such role" in users("invite", "--email", "a@example.com", "--username", "anna", "--role", "emperor").stderr
    assert users("invite", "--email", "a@example.com", "--username", "anna").exit_code == 0
    assert "There is no such role" in users("role", "anna", "emperor").stderr
