"""Other services that ask about API keys (RFC 7662) and have them revoked (RFC 7009)."""

from datetime import timedelta

import pytest

from journeys.with_keys import make_key, rotate
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from support.services_of_others import add_service

INACTIVE = {"active": False}


@pytest.fixture
def house(make_house, clock):
    return make_house("embedded", clock=clock)


@pytest.fixture
def asked(house):
    """`asked(value, **further)`: what a service is told."""
    shop = add_service(house)
    return lambda value, **further: shop.introspect(value, **further).json


def test_a_good_key_is_described_with_what_it_may_do_and_not_with_what_its_owner_may(make_house, engine, clock):
    house = make_house(engine, clock=clock)
    person, shop = house.administrator(), add_service(house)
    key = make_key(person, scopes=["users:read", "self:read"], expires_in_days=7)

    assert shop.introspect(key.value).json == {
        "active": True,
        "token_type": "api_key",
        "client_id": "secureapi",
        "sub": person.id,
        "username": person.username,
        "scope": "self:read users:read",
        "exp": int((clock.now() + timedelta(days=7)).timestamp()),
        "jti": key.id,
    }


def test_a_key_shrinks_with_its_owner_and_ends_with_him(house, asked):
    person, _other, administration = house.administrator(), house.administrator(), house.service(Administration)
    key, terminal = make_key(person, scopes=["users:read", "self:read"]), Client.of_command_line()

    administration.change(user_id=person.id, changes={"role": "viewer"}, caller=None, client=terminal)
    assert asked(key.value)["scope"] == "self:read"
    administration.disable(user_id=person.id, caller=None, client=terminal)
    assert asked(key.value) == INACTIVE


def test_a_value_in_its_overlap_is_good_until_that_is_over(house, asked, clock):
    person = house.register()
    former = make_key(person)
    newest = rotate(person, former, overlap_hours=1)

    assert asked(former.value)["exp"] == int((clock.now() + timedelta(hours=1)).timestamp())
    assert asked(newest.value)["exp"] > asked(former.value)["exp"]
    clock.advance(timedelta(hours=1))
    assert asked(former.value) == INACTIVE
    assert asked(newest.value)["active"]


def test_a_key_of_some_networks_is_good_for_nobody_who_does_not_say_where_it_came_from(house, asked):
    key = make_key(house.register(), allowed_networks=["203.0.113.0/24"])

    for further in ({}, {"address": ""}, {"address": "198.51.100.7"}, {"address": "203.0.113.7, 198.51.100.7"}, {"address": "x" * 9999}):
        assert asked(key.value, **further) == INACTIVE
    for address in ("203.0.113.7", "::ffff:203.0.113.7"):
        assert asked(key.value, address=address)["active"]


def test_asking_uses_up_nothing_and_leaves_no_trace(house, asked):
    person = house.register()
    key = make_key(person, daily_quota=1, requests_per_minute=1)
    before = len(house.events(subject=person))

    assert all(asked(key.value)["active"] for _ in range(5))
    assert asked(key.value[:-1] + "x") == INACTIVE

    assert len(house.events(subject=person)) == before
    assert house.execute("SELECT count(*) FROM api_key_usage WHERE key_id = :id", id=key.id)[0][0] == 0
    assert [key.get().status_code for _ in range(2)] == [200, 429]
    # Used up for today here; what it may do elsewhere is counted by whoever is there.
    assert asked(key.value)["active"]


def test_what_is_no_key_or_is_none_any_more_is_answered_alike(house, asked, clock):
    person = house.register()
    revoked, expired = make_key(person), make_key(person, expires_in_days=1)
    house.client().delete(f"/api/v1/auth/api-keys/{revoked.id}", headers=person.headers)
    clock.advance(timedelta(days=1))

    strange = ("sa_live_", f"sa_live_{'x' * 38}", f"{revoked.value}\n", "sa_live_é", "SA_LIVE_" + "x" * 38)
    for value in (revoked.value, expired.value, *strange):
        assert asked(value) == INACTIVE, value


def test_a_service_that_revokes_a_key_has_found_it(house):
    person, shop = house.register(), add_service(house)
    key = make_key(person)

    answers = [shop.revoke(value, token_type_hint="access_token") for value in (key.value, f"sa_live_{'x' * 38}", key.value[:-1] + "!")]

    assert [(answer.status_code, answer.data) for answer in answers] == [(200, b"")] * 3
    assert key.get().status_code == 401
    (leaked,) = house.events("auth.api_key.leaked", subject=person)
    assert (leaked.details["client_id"], leaked.details["was_living"]) == (shop.id, True)
    # Only the key is over, and its owner is told.
    assert house.client().get("/api/v1/users/me", headers=person.headers).status_code == 200
    assert house.execute("SELECT count(*) FROM outbox WHERE topic = 'notice.api_key_leaked'")[0][0] == 1
