"""Two administrators who change one role: neither undoes what the other has done without hearing of it."""

import secrets
from operator import itemgetter

from journeys.answers import assert_problem, faults

ROLES = "/api/v1/admin/roles"
_rest = itemgetter("name", "description", "rank", "permissions")


def test_whoever_has_read_a_role_before_another_changed_it_gives_nothing_back(house):
    admin, other, name = house.administrator(), house.administrator(), f"clerk-{secrets.token_hex(3)}"

    def change(by, **fields):
        return house.client().patch(f"{ROLES}/{name}", headers=by.headers, json=fields)

    wanted = {"name": name, "permissions": ["self:read", "users:read", "users:delete"]}
    read = house.client().post(ROLES, headers=admin.headers, json=wanted).json
    taken = change(other, permissions=["self:read", "users:read"], version=read["version"])
    given_back = change(admin, permissions=["self:read", "users:read", "users:delete", "admin:read"], version=read["version"])

    assert taken.status_code == 200
    assert taken.json["version"] != read["version"]
    assert_problem(given_back, 409, "role_changed")
    listed = house.client().get(ROLES, headers=admin.headers).json["roles"]
    assert [_rest(role) for role in listed if role["name"] == name] == [_rest(taken.json)]
    assert taken.json["permissions"] == ["self:read", "users:read"]
    refused = [event.details for event in house.events("users.administration.refused") if event.actor_id == admin.id]
    assert [(one["act"], one["reason"]) for one in refused] == [("roles.change", "role_changed")]
    assert change(admin, rank=5, version=taken.json["version"]).json["rank"] == 5
    last = house.events("roles.redefined")[-1].details
    assert (last["before"]["rank"], last["rank"], last["before"]["permissions"]) == (20, 5, ["self:read", "users:read"])


def test_a_version_alone_changes_nothing_and_must_look_like_one(house):
    admin = house.administrator()
    for fields, pointer in (({"version": "0" * 16}, ""), ({"rank": 1, "version": "newest"}, "/version")):
        answer = house.client().patch(f"{ROLES}/whatever", headers=admin.headers, json=fields)
        assert_problem(answer, 422)
        assert list(faults(answer)) == [pointer]
