"""Moving people to another installation and into this one: a password is what it was, and one that was refused stays so."""

import pytest
from sqlalchemy import text

from journeys.importing import ALL, SOME_REFUSED, Importing
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.security.passwords.imported import firebase_string, read_imported
from secureapi.users.service import Roles, import_users

HASH = "$2b$04$seasaltseasaltseasalteBnlBUAvj.9nJp1UQfO/IyW2LmM7YH2K"
TERMINAL = Client.of_command_line()


@pytest.fixture
def importing(make_house, tmp_path):
    return Importing(make_house("embedded"), tmp_path)


def test_a_password_that_was_refused_opens_the_account_nowhere_else(importing):
    house, administration = importing.house, importing.house.service(Administration)
    thief_knows, fine = house.register(), house.register()
    administration.require_password_change(user_id=thief_knows.id, caller=None, client=TERMINAL)
    moved = house.app.test_cli_runner().invoke(args=["user", "export", "--with-hashes"]).stdout
    for person in (thief_knows, fine):
        administration.delete(user_id=person.id, caller=None, client=TERMINAL)

    importing.run(importing.write(moved, "people.ndjson"), "ndjson", "--without-password", expect=ALL)

    assert importing.sign_in(fine.email, fine.password) == 200
    assert importing.sign_in(thief_knows.email, thief_knows.password) == 401
    assert importing.person(thief_knows.email) is not None


def test_a_password_is_taken_as_it_stands(importing):
    path = importing.write("email,username,password\npl@example.com,plainone,'-Brass-Lantern-83!\n")

    importing.run(path, "csv", "--hash-plaintext", expect=ALL)

    assert importing.sign_in("pl@example.com", "'-Brass-Lantern-83!") == 200
    assert importing.sign_in("pl@example.com", "-Brass-Lantern-83!") == 401


def test_a_role_that_was_removed_while_people_came_is_given_to_nobody(importing, monkeypatch):
    roles = importing.house.service(Roles)
    roles.define(name="helper", description="", permissions=["self:read"], caller=None, client=TERMINAL)
    monkeypatch.setattr(import_users, "BATCH", 2)
    rows = "".join(f"person.{number}@example.com,{HASH},{'helper' if number == 5 else 'user'}\n" for number in range(6))
    path = importing.write("email,password_hash,role\n" + rows)
    insert = import_users.insert_accounts

    def removed_meanwhile(*args, **kwargs):
        monkeypatch.setattr(import_users, "insert_accounts", insert)
        done = insert(*args, **kwargs)
        args[0].execute(text("DELETE FROM roles WHERE name = 'helper'"))
        return done

    monkeypatch.setattr(import_users, "insert_accounts", removed_meanwhile)
    told = importing.run(path, "csv", "--with-roles", expect=SOME_REFUSED)

    assert (told["created"], told["refused"]) == (5, 1)
    assert importing.reasons()[6] == [("/role", "unknown_role")]


@pytest.mark.parametrize(("log_n", "r", "is_one"), [(15, 1, True), (16, 1, False), (17, 1, False), (14, 8, True), (0, 8, False)])
def test_costs_that_scrypt_does_not_know_are_no_hash(log_n, r, is_one):
    stored = firebase_string(log_n=log_n, r=r, salt=b"0123456789\x07", digest=b"d" * 64, signer_key=b"s" * 63 + b"t")

    assert (read_imported(stored) is not None) == is_one
