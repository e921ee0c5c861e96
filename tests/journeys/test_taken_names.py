"""An administrator who wants a name that somebody has is told which it is, since he may look it up; nobody else is."""

import secrets

import pytest

from journeys.answers import assert_problem, faults

USERS, ROLES = "/api/v1/users", "/api/v1/admin/roles"
PASSWORD = "Tall-Oak-29471!"


def fresh(**fields):
    word = f"username_canonical-{secrets.token_hex(3)}"
    return {"username": word, "email": f"{word}@example.com", "password": PASSWORD} | fields


@pytest.fixture
def blind(house):
    """Somebody who makes accounts and may look at none."""
    admin, person, name = house.administrator(), house.register(), f"maker-{secrets.token_hex(3)}"
    permissions = ["users:write", "admin:write", "self:read", "self:write", "content:read", "content:write"]
    assert house.client().post(ROLES, headers=admin.headers, json={"name": name, "permissions": permissions}).status_code == 201
    given = house.client().patch(f"{USERS}/{person.id}", headers=admin.headers, json={"role": name})
    assert given.status_code == 200, given.text
    person._tokens = None
    return person


def test_which_name_is_taken_is_told_to_those_who_may_look(house, blind):
    admin, squatter, other = house.administrator(), house.register(), house.register()
    for field, taken in (("email", squatter.email), ("username", squatter.username)):
        made = house.client().post(USERS, headers=admin.headers, json=fresh(**{field: taken}))
        assert_problem(made, 400, "registration_refused")
        assert list(faults(made)) == [f"/{field}"]
        changed = house.client().patch(f"{USERS}/{other.id}", headers=admin.headers, json={field: taken})
        assert_problem(changed, 400, "profile_refused")
        assert list(faults(changed)) == [f"/{field}"]
        assert taken not in made.text + changed.text

        unseen = house.client().post(USERS, headers=blind.headers, json=fresh(**{field: taken}))
        assert_problem(unseen, 400, "registration_refused")
        assert "errors" not in unseen.json

    own = house.client().patch("/api/v1/users/me", headers=other.headers, json={"username": squatter.username})
    assert_problem(own, 400, "profile_refused")
    assert "errors" not in own.json
