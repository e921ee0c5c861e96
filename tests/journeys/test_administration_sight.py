"""What the answers of administration tell, to whom, and what they leave behind: no way round the table of who sees what."""

import secrets
from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from journeys.answers import assert_problem, faults
from secureapi.auth.service import Administration
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.users.errors import LastAdministrator, NoSuchUser
from secureapi.users.service import Directory, Roles

API = "/api/v1"
TERMINAL = Client.of_command_line()


@dataclass
class Nobody:
    """Somebody who is not there."""

    id: str


@pytest.fixture
def holder(house):
    """`holder(*permissions)`: somebody signed in whose role was defined for him."""

    def make(*permissions, rank=30):
        person, role = house.register(), f"role-{secrets.token_hex(4)}"
        house.service(Roles).define(name=role, description="", permissions=permissions, rank=rank, caller=None, client=TERMINAL)
        house.service(Administration).change(user_id=person.id, changes={"role": role}, caller=None, client=TERMINAL)
        return person

    return make


def change(house, who, person, **changes):
    return house.client().patch(f"{API}/users/{person.id}", headers=who.headers, json=changes)


def test_whoever_may_write_and_not_read_gets_back_what_he_sent(house, holder):
    person = house.register(full_name="Fair Name")
    writer = holder("users:write", "self:read", "self:write", "content:read", "content:write")
    boss = holder("users:write", "admin:read", "admin:write", "self:read", "self:write", "content:read", "content:write", rank=90)

    assert change(house, writer, person, bio="x").json == {"id": person.id, "username": person.username, "bio": "x"}
    assert change(house, boss, person, bio="y").json == {"id": person.id, "username": person.username, "bio": "y"}
    locked = house.client().post(f"{API}/users/{person.id}/lock", headers=boss.headers)
    assert locked.json == {"id": person.id, "username": person.username}
    wanted = {"username": f"n-{person.username[5:]}", "email": f"n-{person.email}", "invite": "mail"}
    made = house.client().post(f"{API}/users", headers=boss.headers, json=wanted).json
    assert made == {"id": made["id"], "username": wanted["username"], "email": wanted["email"], "role": "user"}


def test_a_change_that_changes_nothing_is_a_look_and_leaves_its_event(house):
    moderator, person = house.person(role="moderator"), house.register()
    assert change(house, moderator, person, bio="x").status_code == 200
    assert house.events("users.record.read", subject=person) == []

    assert change(house, moderator, person, bio="x").json["bio"] == "x"

    (event,) = house.events("users.record.read", subject=person)
    assert event.actor_id == moderator.id
    admin = house.administrator()
    for word in ("unlock", "enable"):
        assert house.client().post(f"{API}/users/{person.id}/{word}", headers=admin.headers).status_code == 200
    assert change(house, admin, person, status="active").status_code == 200
    assert [each.actor_id for each in house.events("users.record.read", subject=person)] == [moderator.id] + [admin.id] * 3


def test_a_moderator_does_not_tell_a_locked_account_from_a_disabled_one_by_looking_for_it(house):
    admin, moderator, role = house.administrator(), house.person(role="moderator"), f"few-{secrets.token_hex(4)}"
    house.service(Roles).define(name=role, description="", permissions=[], caller=None, client=TERMINAL)
    invited = {"username": role, "email": f"{role}@example.com", "invite": "mail", "role": role}
    ids = [house.client().post(f"{API}/users", headers=admin.headers, json=invited).json["id"]]
    for word in ("lock", "disable", "enable"):
        person = house.register()
        assert change(house, admin, person, role=role).status_code == 200
        assert house.client().post(f"{API}/users/{person.id}/{word}", headers=admin.headers).status_code == 200
        ids.append(person.id)
    waiting, locked, disabled, active = ids

    def found(who, status):
        return house.client().get(f"{API}/users", headers=who.headers, query_string={"role": role, "status": status})

    assert {user["id"] for user in found(moderator, "disabled").json["users"]} == {locked, disabled}
    assert {user["id"] for user in found(moderator, "active").json["users"]} == {waiting, active}
    for word in ("locked", "invited"):
        answer = found(moderator, word)
        assert_problem(answer, 422)
        assert list(faults(answer)) == ["/status"]
    seen = {word: [user["id"] for user in found(admin, word).json["users"]] for word in ("locked", "disabled", "invited", "active")}
    assert seen == {"locked": [locked], "disabled": [disabled], "invited": [waiting], "active": [active]}


FAR = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
OTHERWISE = ("2024-W01-1T00Z", "2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00Z")


@pytest.mark.parametrize("moment", FAR + OTHERWISE)
def test_a_place_behind_the_end_of_the_calendar_or_in_another_spelling_is_none(house, moment):
    moderator, place = house.person(role="moderator"), {"after": f"{moment}~{new_id()}"}

    answer = house.client().get(f"{API}/users", headers=moderator.headers, query_string=place)

    assert_problem(answer, 422)
    assert list(faults(answer)) == ["/after"]


def test_somebody_who_tries_one_id_after_the_other_is_remembered(house):
    curious, other = house.register(), house.register()
    nobody = new_id()

    for user_id in (other.id, nobody):
        assert_problem(house.client().get(f"{API}/users/{user_id}", headers=curious.headers), 404, "user_not_found")

    remembered = house.events("security.access.denied", subject=curious)
    told = {"kind": "users", "wanted": "see", "reason": "not_yours"}
    assert [event.details for event in remembered] == [told | {"object_id": other.id}, told | {"object_id": nobody}]


def test_whoever_looks_for_what_is_not_there_is_remembered(house):
    admin, moderator, nobody = house.administrator(), house.person(role="moderator"), new_id()

    assert_problem(house.client().get(f"{API}/users/{nobody}", headers=moderator.headers), 404)
    assert_problem(change(house, moderator, Nobody(nobody), bio="x"), 404)
    assert_problem(house.client().delete(f"{API}/users/{nobody}", headers=admin.headers), 404)
    assert_problem(house.client().patch(f"{API}/admin/roles/nosuch", headers=admin.headers, json={"rank": 1}), 404)
    asked = {"permission": "users:read", "user": f"{nobody}@example.com"}
    assert_problem(house.client().get(f"{API}/admin/authz/explain", headers=admin.headers, query_string=asked), 404)

    (seen,) = house.events("security.access.denied", subject=moderator)
    assert (seen.details["object_id"], seen.details["reason"]) == (nobody, "not_there")
    refused = [each for each in house.events("users.administration.refused") if each.actor_id in {admin.id, moderator.id}]
    told = [(each.details["act"], each.details["reason"]) for each in refused]
    assert told == [
        ("change", "user_not_found"),
        ("delete", "user_not_found"),
        ("roles.change", "role_not_found"),
        ("explain", "user_not_found"),
    ]


def test_whoever_may_not_read_accounts_is_told_nothing_of_them_by_explanations(house, holder):
    auditor, person = holder("self:read", "admin:read"), house.register()

    for who in (person.id, person.email, new_id()):
        asked = {"permission": "users:read", "user": who}
        answer = house.client().get(f"{API}/admin/authz/explain", headers=auditor.headers, query_string=asked)
        assert_problem(answer, 403, "insufficient_permission")


def test_the_outline_of_an_address_does_not_tell_how_long_it_is(house):
    moderator, domain = house.person(role="moderator"), f"{secrets.token_hex(4)}.example.com"

    people = [house.register(email=f"{local}@{domain}") for local in ("a", "abc", "averylongname")]

    shown = {house.client().get(f"{API}/users/{person.id}", headers=moderator.headers).json["email"] for person in people}
    assert shown == {f"a****@{domain}"}


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ({"name": "superuser"}, "/name"),
        ({"rank": "50"}, "/rank"),
        ({"permissions": ["self:read"] * 2_000}, "/permissions"),
    ],
)
def test_a_role_is_what_its_description_says(house, field, pointer):
    wanted = {"name": f"role-{secrets.token_hex(4)}", "permissions": []} | field

    answer = house.client().post(f"{API}/admin/roles", headers=house.administrator().headers, json=wanted)

    assert_problem(answer, 422)
    assert list(faults(answer)) == [pointer]


def test_what_a_role_was_before_is_told_too(house):
    name = f"role-{secrets.token_hex(4)}"
    roles = house.service(Roles)
    roles.define(name=name, description="", permissions=["self:read", "admin:read"], rank=30, caller=None, client=TERMINAL)

    roles.change(name=name, permissions=["self:read"], caller=None, client=TERMINAL)

    (event,) = [each for each in house.events("roles.redefined") if each.details["role"] == name]
    assert event.details["permissions"] == ["self:read"]
    assert event.details["before"] == {"rank": 30, "permissions": ["admin:read", "self:read"]}


def test_the_last_administrator_who_can_sign_in_stays(make_house, engine):
    house = make_house(engine)
    admin, other = house.administrator(), house.administrator()
    administration = house.service(Administration)
    administration.require_password_change(user_id=other.id, caller=None, client=TERMINAL)

    for person in (admin, other):
        with pytest.raises(LastAdministrator) if person is admin else nullcontext():
            administration.delete(user_id=person.id, caller=None, client=TERMINAL)
    administration.require_password_change(user_id=admin.id, caller=None, client=TERMINAL)
    with pytest.raises(LastAdministrator):
        administration.delete(user_id=admin.id, caller=None, client=TERMINAL)


def test_whoever_asks_for_taken_names_is_remembered(house):
    admin, person, other = house.administrator(), house.register(), house.register()
    role = {"name": f"role-{secrets.token_hex(4)}", "permissions": []}
    assert house.client().post(f"{API}/admin/roles", headers=admin.headers, json=role).status_code == 201

    taken = {"username": f"x-{other.username}", "email": other.email, "invite": "mail"}
    assert_problem(house.client().post(f"{API}/users", headers=admin.headers, json=taken), 400, "registration_refused")
    assert_problem(change(house, admin, person, email=other.email), 400, "profile_refused")
    assert_problem(house.client().post(f"{API}/admin/roles", headers=admin.headers, json=role), 409, "role_exists")

    refused = [event for event in house.events("users.administration.refused") if event.actor_id == admin.id]
    assert [(event.details["act"], event.details["reason"]) for event in refused] == [
        ("create", "registration_refused"),
        ("change", "profile_refused"),
        ("roles.define", "role_exists"),
    ]


def test_ones_own_account_is_changed_where_it_asks_for_self_write(house, holder):
    person = holder("users:write", "self:read")

    assert_problem(change(house, person, person, bio="x"), 403, "own_account")
    assert_problem(change(house, person, person, username=f"x-{person.username}"), 403, "own_account")


def test_nobody_is_called_like_an_account_that_is_gone(house):
    admin, gone = house.administrator(), new_id()
    wanted = {"username": gone.upper(), "email": f"{gone}@example.com", "password": "Tall-Oak-99999!"}

    for path, headers in (("/auth/register", None), ("/users", admin.headers)):
        answer = house.client().post(API + path, headers=headers, json=wanted)
        assert_problem(answer, 422)
        assert list(faults(answer)) == ["/username"]
    squatter = house.register()
    house.execute("UPDATE users SET username = :name, username_canonical = :name WHERE id = :id", name=gone, id=squatter.id)
    with pytest.raises(NoSuchUser):
        house.service(Directory).find(who=gone, client=TERMINAL)


def test_an_administrator_gives_no_reserved_username_either(house):
    wanted = {"username": "Support", "email": f"{new_id()}@example.com", "invite": "mail"}

    answer = house.client().post(f"{API}/users", headers=house.administrator().headers, json=wanted)

    assert_problem(answer, 422)
    assert faults(answer) == {"/username": "reserved"}
