"""Permissions and accounts that are gone between the door and the work: what is taken away is not used any more."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from journeys.answers import assert_problem
from journeys.with_keys import make_key
from secureapi.auth.service import Administration, LivingSessions, NewAccounts
from secureapi.core.database import table_of
from secureapi.core.errors import Unauthenticated
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.security.errors import InsufficientPermission
from secureapi.security.identity import Identity
from secureapi.security.models import KeptAnswer
from secureapi.security.ownership import ObjectAccess
from secureapi.security.permissions import Permission
from secureapi.users.service import Profiles, Roles

API = "/api/v1"
TERMINAL = Client.of_command_line()
ALL = [str(one) for one in Permission]


@pytest.fixture
def helper(house):
    """Somebody signed in with a role that was defined for him; and the name of the role."""
    person, role = house.register(), f"role-{secrets.token_hex(4)}"
    house.service(Roles).define(name=role, description="", permissions=ALL, rank=90, caller=None, client=TERMINAL)
    house.service(Administration).change(user_id=person.id, changes={"role": role}, caller=None, client=TERMINAL)
    return person, role


def redefine(house, role, *permissions):
    house.service(Roles).change(name=role, permissions=permissions, caller=None, client=TERMINAL)


def as_let_in(person, role):
    """The caller as the guard saw him, when his role still had everything."""
    (session,) = person.house.client().get(f"{API}/auth/sessions", headers=person.headers).json["sessions"]
    return Identity(person.id, session["id"], role, frozenset(Permission), "", 2**40, ("pwd",))


def write(session, *, owner):
    """A row of a table whose rows belong to accounts, as those of extensions do."""
    row = {"key_hash": new_id(), "request_hash": "", "claim": new_id(), "expires_at": datetime(2026, 1, 1, tzinfo=UTC)}
    session.execute(insert(table_of(KeptAnswer)).values(user_id=owner, **row))


ACTS = {
    "end sessions": lambda house, who, person: house.service(LivingSessions).end_all_of(user_id=person.id, caller=who, client=TERMINAL),
    "end a session": lambda house, who, person: house.service(LivingSessions).end_one_of(
        user_id=person.id, session_id=person.id, caller=who, client=TERMINAL
    ),
    "profile": lambda house, who, person: house.service(Administration).change(
        user_id=person.id, changes={"bio": "x"}, caller=who, client=TERMINAL
    ),
    "lock": lambda house, who, person: house.service(Administration).lock(user_id=person.id, caller=who, client=TERMINAL),
    "invite": lambda house, who, person: house.service(NewAccounts).create(
        username=f"n-{person.username}", email=f"n-{person.email}", role="user", caller=who, client=TERMINAL
    ),
    "define": lambda house, who, person: house.service(Roles).define(
        name="none", description="", permissions=[], caller=who, client=TERMINAL
    ),
    "redefine": lambda house, who, person: house.service(Roles).change(name="none", rank=1, caller=who, client=TERMINAL),
    "remove": lambda house, who, person: house.service(Roles).remove(name="none", caller=who, client=TERMINAL),
}


def test_a_permission_that_was_taken_away_while_a_request_waited_is_not_used(house, helper):
    who, person = as_let_in(*helper), house.register()
    redefine(house, helper[1], "self:read", "self:write", "content:read", "content:write")

    for name, act in ACTS.items():
        with pytest.raises(InsufficientPermission):
            act(house, who, person)
        assert house.events("users.administration.refused")[-1].details["reason"] == "insufficient_permission", name


def test_a_session_or_a_key_that_was_ended_while_a_request_waited_is_not_used(house, helper):
    (thief, role), person = helper, house.register()
    key = make_key(thief, scopes=["users:write", "admin:write"])
    by_session = as_let_in(thief, role)
    by_key = replace(by_session, session_id="", key_id=key.id)
    assert house.client().delete(f"{API}/auth/api-keys/{key.id}", headers=thief.headers).status_code == 204
    house.service(LivingSessions).end_all_of(user_id=thief.id, caller=None, client=TERMINAL)

    for who in (by_session, by_key):
        for act in ACTS.values():
            with pytest.raises(Unauthenticated):
                act(house, who, person)

    assert house.events("users.locked", subject=person) == []


def test_a_kept_answer_is_not_for_whoever_may_see_less_than_when_it_was_given(house, helper):
    person, role = helper
    word = secrets.token_hex(4)
    wanted = {"username": f"n-{word}", "email": f"n-{word}@example.com", "invite": "mail"}

    def create():
        return house.client().post(f"{API}/users", headers=person.headers | {"Idempotency-Key": word}, json=wanted)

    first = create()
    redefine(house, role, *ALL[::-1])
    assert create().json == first.json
    redefine(house, role, *(one for one in ALL if one != "admin:read"))

    answer = create()

    assert_problem(answer, 409, "idempotency_answer_withheld")
    assert wanted["email"] not in answer.text
    redefine(house, role, *ALL)
    assert create().json == first.json


def test_whoever_is_deleted_while_he_writes_is_nobody_and_that_is_no_accident(house):
    person = house.register()
    who = as_let_in(person, "user")
    house.service(Administration).delete(user_id=person.id, caller=None, client=TERMINAL)
    objects = house.service(ObjectAccess)

    with pytest.raises(Unauthenticated), objects.transaction(caller=who, client=TERMINAL) as found:
        write(found.session, owner=person.id)
    with pytest.raises(Unauthenticated):
        house.service(Profiles).mine(caller=who)
    with pytest.raises(Unauthenticated):
        house.service(Profiles).change_mine(changes={"bio": "x"}, require_recent=print, caller=who, client=TERMINAL)


def test_what_breaks_a_rule_of_the_database_otherwise_is_an_accident_as_before(house):
    who = as_let_in(house.register(), "user")

    with pytest.raises(IntegrityError), house.service(ObjectAccess).transaction(caller=who, client=TERMINAL) as found:
        write(found.session, owner=new_id())
