"""Roles that administrators define: over the permissions that there are, never more than they have themselves, effective at once."""

import secrets
import time

import pytest

from journeys.answers import assert_headers, assert_problem, faults
from secureapi.security.permissions import Permission
from secureapi.users.service import Roles
from support.cases import Cases
from support.races import Crowd, together

API = "/api/v1"
USERS, ROLES, EXPLAIN = f"{API}/users", f"{API}/admin/roles", f"{API}/admin/authz/explain"


def define(house, who, *permissions, **fields):
    wanted = {"name": f"role-{secrets.token_hex(4)}", "permissions": [str(one) for one in permissions]} | fields
    return house.client().post(ROLES, headers=who.headers, json=wanted)


def change(house, who, name, **changes):
    return house.client().patch(f"{ROLES}/{name}", headers=who.headers, json=changes)


def remove(house, who, name):
    return house.client().delete(f"{ROLES}/{name}", headers=who.headers)


def give(house, who, person, role):
    return house.client().patch(f"{USERS}/{person.id}", headers=who.headers, json={"role": role})


@pytest.fixture
def holder(house):
    """`holder(*permissions, rank=20)`: somebody signed in whose role was defined for him."""

    def make(*permissions, **fields):
        admin, person = house.administrator(), house.register()
        role = define(house, admin, *permissions, **fields).json["name"]
        assert give(house, admin, person, role).status_code == 200
        person._tokens = None
        assert person.tokens
        return person, role, admin

    return make


def test_a_role_is_defined_listed_given_changed_and_removed(house, base):
    admin = house.administrator()
    name = f"auditor-{secrets.token_hex(3)}"
    wanted = {"name": name, "description": "Reads the trail.", "permissions": ["self:read", "admin:read"], "rank": 30}

    made = house.client().post(f"{base}/admin/roles", headers=admin.headers, json=wanted)

    assert made.status_code == 201, made.text
    assert_headers(made)
    version = made.json["version"]
    assert made.json == wanted | {"permissions": ["admin:read", "self:read"], "is_built_in": False, "version": version}
    listed = house.client().get(f"{base}/admin/roles", headers=admin.headers).json["roles"]
    assert [role["name"] for role in listed[:4]] == ["admin", "moderator", "user", "viewer"]
    assert made.json in listed
    changed = change(house, admin, name, permissions=[], rank=5).json
    assert changed == made.json | {"permissions": [], "rank": 5, "version": changed["version"]}
    answer = remove(house, admin, name)
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert_problem(remove(house, admin, name), 404, "role_not_found")
    kinds = ("roles.defined", "roles.redefined", "roles.removed")
    told = [event for kind in kinds for event in house.events(kind) if event.details["role"] == name]
    assert [(event.type, event.actor_id) for event in told] == [(kind, admin.id) for kind in kinds]


def test_whoever_has_it_may_do_just_that(house, holder):
    person, role, _ = holder(Permission.ADMIN_READ)

    assert house.client().get(f"{API}/admin/stats", headers=person.headers).status_code == 200
    assert_problem(house.client().get(f"{USERS}/me", headers=person.headers), 403, "insufficient_permission")
    assert_problem(house.client().get(USERS, headers=person.headers), 403, "insufficient_permission")
    found = house.client().get(USERS, headers=house.administrator().headers, query_string={"role": role}).json
    assert [user["id"] for user in found["users"]] == [person.id]


def test_a_permission_that_is_taken_away_is_gone_with_the_very_next_request(make_house, engine):
    house = make_house(engine)
    admin, person = house.administrator(), house.register()
    role = define(house, admin, Permission.ADMIN_READ).json["name"]
    give(house, admin, person, role)
    tokens = house.sign_in(person)

    def ask():
        return house.client().get(f"{API}/admin/stats", headers=tokens.headers).status_code

    with Crowd(ask, threads=4) as crowd:
        crowd.meet(times=20)
        assert change(house, admin, role, permissions=["self:read"]).status_code == 200
        moment = time.monotonic()
        crowd.go_on_after(moment)

    assert 200 in crowd.statuses(before=moment)
    assert crowd.statuses(after=moment) == {403}
    assert change(house, admin, role, permissions=["admin:read"]).status_code == 200
    assert ask() == 200


def test_nobody_defines_a_role_that_may_do_more_than_he(house, holder):
    person, _, _ = holder(Permission.ADMIN_READ, Permission.ADMIN_WRITE, Permission.USERS_READ, Permission.USERS_WRITE, rank=40)

    assert_problem(define(house, person, Permission.USERS_DELETE), 403, "role_beyond_own")
    assert_problem(define(house, person, Permission.ADMIN_READ, rank=40), 403, "role_beyond_own")
    assert_problem(define(house, person, Permission.ADMIN_READ, rank=99), 403, "role_beyond_own")
    assert define(house, person, Permission.ADMIN_READ, rank=39).status_code == 201
    refused = [event for event in house.events("users.administration.refused") if event.actor_id == person.id]
    assert [event.details for event in refused] == [{"act": "roles.define", "reason": "role_beyond_own"}] * 3


def test_nobody_raises_the_role_that_he_has_or_one_above_him(house, holder):
    person, role, admin = holder(Permission.ADMIN_READ, Permission.ADMIN_WRITE, rank=40)
    above = define(house, admin, Permission.ADMIN_READ, rank=41).json["name"]
    beyond = define(house, admin, Permission.SYSTEM_MANAGE, rank=1).json["name"]
    below = define(house, admin, Permission.ADMIN_READ, rank=1).json["name"]

    for name in (role, above, beyond):
        assert_problem(change(house, person, name, description="mine"), 403, "role_beyond_own")
        assert_problem(remove(house, person, name), 403, "role_beyond_own")
    for attempt in ({"rank": 40}, {"permissions": ["users:delete"]}):
        assert_problem(change(house, person, below, **attempt), 403, "role_beyond_own")
    assert change(house, person, below, description="ours").status_code == 200


def test_nobody_gives_a_role_that_may_do_more_than_he_not_even_to_a_new_account(house, holder):
    person, _, admin = holder(*(p for p in Permission if p != Permission.SYSTEM_MANAGE), rank=60)
    victim = house.register()
    strong = define(house, admin, Permission.SYSTEM_MANAGE, rank=1).json["name"]
    tall = define(house, admin, Permission.SELF_READ, rank=61).json["name"]

    for role in ("admin", strong, tall):
        assert_problem(give(house, person, victim, role), 403, "grant_refused")
        wanted = {"username": f"n-{secrets.token_hex(4)}", "email": f"{secrets.token_hex(4)}@example.com", "invite": "mail", "role": role}
        assert_problem(house.client().post(USERS, headers=person.headers, json=wanted), 403, "grant_refused")
    assert give(house, person, victim, "moderator").status_code == 200


def test_nobody_takes_over_an_account_of_low_rank_that_may_do_more_than_he(house, holder):
    strong, _, _ = holder(Permission.SYSTEM_MANAGE, rank=1)
    climber, _, _ = holder(Permission.USERS_READ, Permission.USERS_WRITE, Permission.ADMIN_WRITE, rank=60)

    answer = house.client().patch(f"{USERS}/{strong.id}", headers=climber.headers, json={"email": "climber@example.com"})

    assert_problem(answer, 403, "higher_rank")
    assert_problem(house.client().post(f"{USERS}/{strong.id}/lock", headers=climber.headers), 403, "higher_rank")


def test_nobody_ends_the_sessions_of_somebody_above_him(house, holder):
    climber, _, admin = holder(Permission.USERS_READ, Permission.USERS_WRITE, Permission.ADMIN_WRITE, Permission.ADMIN_READ, rank=60)
    session_id = house.client().get(f"{USERS}/{admin.id}/sessions", headers=climber.headers).json["sessions"][0]["id"]

    for path in (f"{USERS}/{admin.id}/sessions", f"{USERS}/{admin.id}/sessions/{session_id}"):
        assert_problem(house.client().delete(path, headers=climber.headers), 403, "higher_rank")

    assert house.client().get(f"{USERS}/me", headers=admin.headers).status_code == 200


def test_a_built_in_role_is_neither_changed_nor_removed_nor_defined_again(house):
    admin = house.administrator()

    for name in ("admin", "moderator", "user", "viewer"):
        assert_problem(change(house, admin, name, permissions=[]), 409, "built_in_role")
        assert_problem(remove(house, admin, name), 409, "built_in_role")
        assert_problem(define(house, admin, name=name), 409, "role_exists")


def test_a_name_is_had_once(house):
    admin = house.administrator()
    name = define(house, admin).json["name"]

    assert_problem(define(house, admin, name=name), 409, "role_exists")


def test_a_role_that_is_not_understood_is_422(house):
    admin = house.administrator()

    with Cases() as case:
        for fields, pointer in (
            ({"permissions": ["everything"]}, "/permissions/0"),
            ({"permissions": "admin:read"}, "/permissions"),
            ({"permissions": [{"name": "admin:read"}]}, "/permissions/0"),
            ({"name": "Admin"}, "/name"),
            ({"name": "a"}, "/name"),
            ({"name": "role\u0000"}, "/name"),
            ({"rank": 100}, "/rank"),
            ({"rank": -1}, "/rank"),
            ({"is_built_in": True}, "/is_built_in"),
        ):
            with case(fields, pointer):
                answer = define(house, admin, **fields)

                assert_problem(answer, 422)
                assert list(faults(answer)) == [pointer]


def test_a_role_in_use_stays_and_one_is_not_given_while_it_goes(make_house, engine):
    house = make_house(engine)
    admin, other, person = house.administrator(), house.administrator(), house.register()
    for _ in range(4):
        role = define(house, admin, Permission.SELF_READ).json["name"]

        given, removed = together([lambda role=role: give(house, admin, person, role), lambda role=role: remove(house, other, role)])

        assert (given.status_code, removed.status_code) in {(200, 409), (422, 204)}
        if given.status_code == 200:
            assert_problem(remove(house, admin, role), 409, "role_in_use")
            assert give(house, admin, person, "user").status_code == 200
            assert remove(house, admin, role).status_code == 204
    known = {row.name for row in house.service(Roles).every()}
    assert {row[0] for row in house.execute("SELECT DISTINCT role FROM users")} <= known


def test_only_administrators_define_roles_or_ask_why(house):
    with Cases() as case:
        for role in ("moderator", "user", "viewer"):
            with case(role):
                person = house.person(role=role)

                for answer in (
                    define(house, person),
                    change(house, person, "x-role", rank=1),
                    remove(house, person, "x-role"),
                    house.client().get(ROLES, headers=person.headers),
                    house.client().get(EXPLAIN, headers=person.headers, query_string={"user": person.id, "permission": "users:read"}),
                ):
                    assert_problem(answer, 403, "insufficient_permission")


def explain(house, admin, user, permission):
    return house.client().get(EXPLAIN, headers=admin.headers, query_string={"user": user, "permission": permission})


def test_why_somebody_may_do_something_or_may_not(house, holder):
    person, role, admin = holder(Permission.ADMIN_READ)

    for name in (person.id, person.username, person.email):
        told = explain(house, admin, name, "admin:read").json
        assert (told["is_allowed"], told["code"], told["role"], told["user_id"]) == (True, "role_grants", role, person.id)
        assert role in told["reason"]
    told = explain(house, admin, person.id, "users:delete").json
    assert (told["is_allowed"], told["code"]) == (False, "role_lacks")
    assert "admin:read" in told["reason"]
    house.client().post(f"{USERS}/{person.id}/lock", headers=admin.headers)
    assert explain(house, admin, person.id, "admin:read").json["code"] == "account_locked"
    house.client().post(f"{USERS}/{person.id}/disable", headers=admin.headers)
    assert explain(house, admin, person.id, "admin:read").json["code"] == "account_disabled"
    assert len(house.events("users.record.read", subject=person)) == 6


def test_a_role_that_is_not_there_explains_itself(make_house, engine):
    house = make_house(engine)
    admin, person = house.administrator(), house.register()
    house.execute("UPDATE users SET role = 'emperor' WHERE username = :name", name=person.username)

    assert explain(house, admin, person.id, "self:read").json["code"] == "unknown_role"
    assert explain(house, admin, admin.id, "system:manage").json["is_allowed"] is True


def test_a_question_that_is_not_understood_has_no_answer(house):
    admin = house.administrator()

    with Cases() as case:
        for user, permission, status in (("", "users:read", 422), ("x", "emperor", 422), ("nobody-at-all", "users:read", 404)):
            with case(user, permission, status):
                assert_problem(explain(house, admin, user, permission), status)
