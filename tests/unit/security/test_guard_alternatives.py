"""Endpoints for whoever holds one of several permissions."""

import pytest

from secureapi.security.guard import Access, admission_of, lets_keys_in, people_only, requires, requires_any
from secureapi.security.permissions import Permission

OWN, ALL, MORE = Permission.SELF_READ, Permission.USERS_READ, Permission.ADMIN_READ


@pytest.mark.parametrize(
    ("access", "held", "is_let_in"),
    [
        (Access(alternatives=frozenset({OWN, ALL})), {OWN}, True),
        (Access(alternatives=frozenset({OWN, ALL})), {ALL, MORE}, True),
        (Access(alternatives=frozenset({OWN, ALL})), {MORE}, False),
        (Access(alternatives=frozenset({OWN, ALL})), set(), False),
        (Access(permissions=frozenset({MORE}), alternatives=frozenset({OWN, ALL})), {OWN}, False),
        (Access(permissions=frozenset({MORE}), alternatives=frozenset({OWN, ALL})), {OWN, MORE}, True),
        (Access(permissions=frozenset({OWN, ALL})), {OWN}, False),
        (Access(), set(Permission), False),
    ],
)
def test_one_of_the_alternatives_is_enough_and_nothing_is_nobodys(access, held, is_let_in):
    assert access.is_held_by(frozenset(held)) is is_let_in


def test_an_endpoint_with_alternatives_says_so_and_lets_keys_in_like_any_other_with_permissions():
    view = requires_any(OWN, ALL)(lambda: "")

    assert admission_of(view) == "self:read or users:read"
    assert lets_keys_in(view)
    assert not lets_keys_in(people_only(view))


def test_with_no_alternative_at_all_nobody_gets_in():
    assert admission_of(requires_any()(lambda: "")) == admission_of(requires()(lambda: "")) == "nobody"
    assert not lets_keys_in(requires_any()(lambda: ""))
