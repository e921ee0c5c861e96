from itertools import pairwise

import pytest

from secureapi.security.permissions import PERMISSIONS_OF, Permission, Role, permissions_of


def test_the_table_is_the_one_of_the_documentation():
    """API.md, roles. Whoever changes the table changes this test on purpose."""
    assert {role: sorted(permissions) for role, permissions in PERMISSIONS_OF.items()} == {
        Role.ADMIN: sorted(Permission),
        Role.MODERATOR: [
            "content:delete",
            "content:read",
            "content:write",
            "self:read",
            "self:write",
            "users:read",
            "users:write",
        ],
        Role.USER: ["content:read", "content:write", "self:read", "self:write"],
        Role.VIEWER: ["content:read", "self:read"],
    }


def test_each_rank_may_what_the_one_below_may():
    ranks = [PERMISSIONS_OF[role] for role in (Role.VIEWER, Role.USER, Role.MODERATOR, Role.ADMIN)]
    assert all(lower < higher for lower, higher in pairwise(ranks))


@pytest.mark.parametrize("role", ["", "superuser", "Admin", "ADMIN", "admin ", " admin", "root", "user,admin", "*", "\uff41dmin"])
def test_a_role_that_does_not_exist_may_nothing(role):
    assert permissions_of(role) == frozenset()


@pytest.mark.parametrize("role", Role)
def test_a_role_is_found_by_its_name(role):
    assert permissions_of(str(role)) == PERMISSIONS_OF[role]


def test_every_permission_names_a_thing_and_an_action():
    for permission in Permission:
        thing, colon, action = permission.partition(":")
        assert (bool(thing), colon, bool(action)) == (True, ":", True)


def test_nobody_can_be_given_more_at_run_time():
    with pytest.raises(AttributeError):
        PERMISSIONS_OF[Role.USER].add(Permission.ADMIN_READ)
