from itertools import pairwise

import pytest

from secureapi.security.permissions import PERMISSIONS_OF, Permission, Role, Standing, built_in
from support.each import each


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


@each("role", ["", "superuser", "Admin", "ADMIN", "admin ", " admin", "root", "user,admin", "*", "\uff41dmin"])
def test_a_word_that_is_no_role_is_none(role):
    assert built_in(role) is None


@each("role", Role)
def test_a_role_is_found_by_its_name(role):
    assert built_in(str(role)).permissions == PERMISSIONS_OF[role]


def test_every_permission_names_a_thing_and_an_action():
    for permission in Permission:
        thing, colon, action = permission.partition(":")
        assert (bool(thing), colon, bool(action)) == (True, ":", True)


def test_nobody_can_be_given_more_at_run_time():
    with pytest.raises(AttributeError):
        PERMISSIONS_OF[Role.USER].add(Permission.ADMIN_READ)


A, B = Permission.USERS_READ, Permission.SYSTEM_MANAGE


@each(
    ("mine", "theirs", "is_covered"),
    [
        ((50, {A}), (50, {A}), True),
        ((50, {A}), (20, set()), True),
        ((50, {A}), (51, set()), False),
        ((50, {A}), (1, {B}), False),
        ((50, {A, B}), (1, {B}), True),
        ((50, set()), (50, {A}), False),
        ((0, set()), (0, set()), True),
    ],
)
def test_a_standing_covers_another_in_rank_and_in_every_permission(mine, theirs, is_covered):
    standings = [Standing("x", rank, frozenset(permissions)) for rank, permissions in (mine, theirs)]

    assert standings[0].covers(standings[1]) is is_covered


def test_a_built_in_role_covers_itself_and_those_below():
    order = list(Role)

    for place, role in enumerate(order):
        covered = [other for other in order if built_in(role).covers(built_in(other))]
        assert covered == order[place:]
    assert built_in("emperor") is None
