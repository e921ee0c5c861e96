"""Whose an object is, tried on a table of ours that has owners: sessions."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from secureapi.auth.models import UserSession
from secureapi.core.errors import NotFound
from secureapi.core.requests import Client
from secureapi.security.errors import NotYours
from secureapi.security.identity import Identity
from secureapi.security.ownership import ObjectAccess, Ownership, Right, owned_by_caller
from secureapi.security.permissions import PERMISSIONS_OF, Permission, Role
from support.each import each

MISSING = "01890000-0000-7000-8000-000000000000"
CLIENT = Client("127.0.0.1", "test", "request-1")
PRIVATE = Ownership(model=UserSession, owner=UserSession.user_id)
SEEN = Ownership(model=UserSession, owner=UserSession.user_id, seen_with=Permission.ADMIN_READ)
DELETED = replace(SEEN, deleted_with=Permission.ADMIN_READ)


def identity(person, role=Role.USER):
    return Identity(person.id, MISSING, role, PERMISSIONS_OF[role], "token", 0, ("pwd",))


@pytest.fixture
def people(house):
    return house.person(), house.person()


def sessions_of(house, person):
    with house.service(ObjectAccess).transaction(caller=identity(person), client=CLIENT) as objects:
        return list(objects.session.scalars(select(UserSession.id).where(PRIVATE.visible_to(objects.caller))))


def ask(house, caller, ownership, ids, right=Right.SEE):
    with house.service(ObjectAccess).transaction(caller=caller, client=CLIENT) as objects:
        return [found.id for found in objects.get_all(ownership, ids, right)]


def test_everybody_has_his_own(house, people):
    ann, ben = people
    house.sign_in(ann)
    (first, second), (bens,) = sessions_of(house, ann), sessions_of(house, ben)

    for right in Right:
        assert ask(house, identity(ann), PRIVATE, [second, first, second], right) == [second, first]
        for ids in ([bens], [first, bens], [MISSING]):
            with pytest.raises(NotFound):
                ask(house, identity(ann), PRIVATE, ids, right)


def test_without_a_permission_that_is_named_no_role_has_others(house, people):
    ann, ben = people
    (bens,) = sessions_of(house, ben)

    for right in Right:
        with pytest.raises(NotFound):
            ask(house, identity(ann, Role.ADMIN), PRIVATE, [bens], right)


def test_whoever_may_only_see_is_told_that_he_may_not_do_more(house, people):
    ann, ben = people
    (bens,) = sessions_of(house, ben)
    administrator = identity(ann, Role.ADMIN)

    assert ask(house, administrator, SEEN, [bens]) == [bens]
    for ownership, right in ((SEEN, Right.CHANGE), (SEEN, Right.DELETE), (DELETED, Right.CHANGE)):
        with pytest.raises(NotYours):
            ask(house, administrator, ownership, [bens], right)
    assert ask(house, administrator, DELETED, [bens], Right.DELETE) == [bens]


SPELLINGS = {
    "upper": str.upper,
    "braces": "{{{}}}".format,
    "urn": "urn:uuid:{}".format,
    "no dashes": lambda known: known.replace("-", ""),
    "short": lambda known: known[:-1],
    "nul": lambda _: "\x00",
}


@each("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_another_spelling_of_an_id_is_not_there_and_is_not_repeated(house, people, spell):
    ann, _ = people
    (own,) = sessions_of(house, ann)
    before = len(house.events("security.access.denied", subject=ann))

    with pytest.raises(NotFound):
        ask(house, identity(ann), PRIVATE, [own, spell(own)])

    (event,) = house.events("security.access.denied", subject=ann)[before:]
    assert event.details == {"kind": "sessions", "object_id": "", "wanted": "see", "reason": "not_there"}


def test_what_was_done_before_a_refusal_is_undone_and_the_refusal_stays(house, people):
    ann, ben = people
    (own,), (bens,) = sessions_of(house, ann), sessions_of(house, ben)

    def change_and_ask():
        with house.service(ObjectAccess).transaction(caller=identity(ann), client=CLIENT) as objects:
            objects.get(PRIVATE, own, Right.CHANGE).user_agent = "changed"
            objects.session.flush()
            objects.get(PRIVATE, bens, Right.SEE)

    with pytest.raises(NotFound):
        change_and_ask()

    agents = {row[0] for row in house.execute("SELECT user_agent FROM sessions")}
    assert "changed" not in agents
    (event,) = house.events("security.access.denied", subject=ann)
    assert (event.actor_id, event.request_id, event.details["reason"]) == (ann.id, "request-1", "not_yours")


def test_an_accident_in_the_block_leaves_no_event(house, people):
    ann, _ = people

    with pytest.raises(ZeroDivisionError), house.service(ObjectAccess).transaction(caller=identity(ann), client=CLIENT):
        _ = 1 // 0

    assert house.events("security.access.denied", subject=ann) == []


def test_nobody_owns_nothing(house, people):
    ann, _ = people
    nobody = replace(identity(ann), user_id="")

    with house.service(ObjectAccess).transaction(caller=nobody, client=CLIENT) as objects:
        assert objects.session.scalars(select(UserSession.id).where(owned_by_caller(UserSession.user_id, nobody))).all() == []


def test_no_ids_at_all_are_no_objects(house, people):
    assert ask(house, identity(people[0]), PRIVATE, []) == []
