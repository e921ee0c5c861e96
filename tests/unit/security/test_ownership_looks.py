"""Whoever sees what is not his own is remembered, tried on a table of ours that has owners: sessions."""

import pytest
from sqlalchemy import select

from secureapi.auth.models import UserSession
from secureapi.core.requests import Client
from secureapi.security.identity import Identity
from secureapi.security.ownership import ObjectAccess, Ownership, Right
from secureapi.security.permissions import PERMISSIONS_OF, Permission, Role

CLIENT = Client("127.0.0.1", "test", "request-1")
SEEN = Ownership(model=UserSession, owner=UserSession.user_id, seen_with=Permission.ADMIN_READ, changed_with=Permission.ADMIN_READ)


@pytest.fixture
def looker(house):
    """`(access, ann, ids)`: a transaction of Ann's, who is an administrator, and the ids of her session and of Ben's."""
    ann, ben = house.person(), house.person()
    identity = Identity(ann.id, "01890000-0000-7000-8000-000000000000", Role.ADMIN, PERMISSIONS_OF[Role.ADMIN], "token", 0, ("pwd",))
    with house.service(ObjectAccess).transaction(caller=identity, client=CLIENT) as objects:
        ids = [objects.session.scalars(select(UserSession.id).where(UserSession.user_id == one.id)).one() for one in (ann, ben)]
    return lambda: house.service(ObjectAccess).transaction(caller=identity, client=CLIENT), ann, ben, ids


def seen(house, ann):
    return [(event.subject_id, event.details) for event in house.events("security.object.read") if event.actor_id == ann.id]


def test_seeing_what_is_somebody_elses_is_remembered_and_ones_own_is_not(house, looker):
    access, ann, ben, (own, bens) = looker
    with access() as objects:
        objects.get(SEEN, own, Right.SEE)
        objects.get(SEEN, bens, Right.CHANGE)
    assert seen(house, ann) == []

    with access() as objects:
        objects.get_all(SEEN, [own, bens, bens], Right.SEE)
    assert seen(house, ann) == [(ben.id, {"kind": "sessions", "object_id": bens})]


def test_a_list_with_what_is_somebody_elses_is_remembered_once(house, looker):
    access, ann, _, ids = looker
    with access() as objects:
        both = objects.session.scalars(select(UserSession).where(SEEN.visible_to(objects.caller), UserSession.id.in_(ids))).all()
        assert objects.shown(SEEN, both) is both
        objects.shown(SEEN, [row for row in both if row.user_id == ann.id])

    assert seen(house, ann) == [(None, {"kind": "sessions", "count": 1})]
