"""What a stolen API key of an administrator is good for: it makes nobody who outlives it, and throws nobody out."""

import secrets

import pytest

from journeys.answers import assert_problem
from journeys.with_keys import make_key
from secureapi.security.permissions import ADMINISTRATIVE, PERMISSIONS_OF, Permission, Role

API = "/api/v1"


@pytest.fixture
def admin(house):
    return house.administrator()


@pytest.fixture
def thief(admin):
    """Whoever has found a key of an administrator, with every scope that there is."""
    return make_key(admin, scopes=[str(one) for one in Permission])


def somebody(**fields):
    word = secrets.token_hex(4)
    return {"username": f"new-{word}", "email": f"new-{word}@example.com"} | fields


def refusals(house, admin, reason):
    refused = [event for event in house.events("users.administration.refused") if event.actor_id == admin.id]
    return [event for event in refused if event.details["reason"] == reason]


def test_what_is_administrative_is_whatever_an_ordinary_user_lacks_and_content():
    assert set(Permission) - PERMISSIONS_OF[Role.USER] - {Permission.CONTENT_DELETE} == ADMINISTRATIVE


def test_a_thief_makes_nobody_whose_password_he_knows_and_nobody_who_administers(house, admin, thief):
    wanted = (
        somebody(password="Tall-Oak-99999!", role="user"),
        somebody(password="Tall-Oak-99999!", role="admin"),
        somebody(invite="mail", role="admin"),
        somebody(invite="mail", role="moderator"),
    )

    for each in wanted:
        assert_problem(house.client().post(f"{API}/users", headers=thief.headers, json=each), 403, "key_not_allowed")

    remembered = refusals(house, admin, "key_not_allowed")
    assert [event.details["api_key_id"] for event in remembered] == [thief.id] * 4
    names = ", ".join(f"'{each['username']}'" for each in wanted)
    assert house.execute(f"SELECT id FROM users WHERE username IN ({names})") == []


def test_a_program_invites_an_ordinary_user_and_changes_his_profile(house, thief):
    made = house.client().post(f"{API}/users", headers=thief.headers, json=somebody(invite="mail", role="user"))

    assert made.status_code == 201, made.text
    answer = house.client().patch(f"{API}/users/{made.json['id']}", headers=thief.headers, json={"full_name": "Fair Name"})
    assert (answer.status_code, answer.json["full_name"]) == (200, "Fair Name")


def test_a_thief_changes_nobodys_role_status_or_address(house, admin, thief):
    person = house.register()

    for field in ({"role": "admin"}, {"role": "user"}, {"status": "disabled"}, {"status": "active"}, {"email": "thief@example.com"}):
        answer = house.client().patch(f"{API}/users/{person.id}", headers=thief.headers, json=field)
        assert_problem(answer, 403, "key_not_allowed")

    assert len(refusals(house, admin, "key_not_allowed")) == 5
    assert house.events("users.changed", subject=person) == []


def test_a_thief_lets_nobody_in_throws_nobody_out_and_defines_no_role(house, admin, thief):
    person, role = house.register(), f"ghost-{secrets.token_hex(3)}"
    defined = {"name": role, "permissions": ["self:read"]}
    own = house.client().post(f"{API}/admin/roles", headers=admin.headers, json=defined | {"name": f"{role}-too"})
    assert own.status_code == 201

    acts = [("POST", f"/users/{person.id}/{word}", {}) for word in ("lock", "unlock", "disable", "enable", "invite")]
    acts += [("DELETE", f"/users/{person.id}", None), ("POST", "/admin/roles", defined)]
    acts += [("PATCH", f"/admin/roles/{role}-too", {"rank": 1}), ("DELETE", f"/admin/roles/{role}-too", None)]
    for method, path, body in acts:
        assert_problem(house.client().open(API + path, method=method, headers=thief.headers, json=body), 403, "key_not_allowed")

    denied = [event for event in house.events("security.access.denied", subject=admin) if event.details.get("reason") == "key_not_allowed"]
    assert len(denied) == len(acts)
    assert house.client().get(f"{API}/users/me", headers=person.headers).status_code == 200
