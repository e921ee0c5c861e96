"""A Redis that others use too: every key of ours says whose it is, and a user who may touch nothing else is enough for all we do."""

import secrets
from types import SimpleNamespace
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from flask import Blueprint
from redis import Redis
from redis.exceptions import NoPermissionError

from journeys.test_round_trips import Exchanges, Statements
from secureapi.core.redis import RedisStore
from secureapi.security.guard import public, signed_in
from secureapi.security.limits import Limits, limited
from secureapi.security.named_limits import limits_of
from support.sample_settings import make_settings
from support.services_of_others import INTROSPECT, add_service, basic

API = "/api/v1"
NEW = "Other-Trees-43!"


@pytest.fixture
def probe():
    """An endpoint that asks for nothing by itself: all that is paid is paid for the caller."""
    blueprint = Blueprint("probe", __name__)
    blueprint.get("/probe", endpoint="usual")(signed_in(lambda: {"let": "in"}))
    return blueprint


@pytest.fixture
def make_confined(make_house, probe):
    """`make_confined(*rules)`: a house whose Redis user may only touch `secureapi:*`, and a connection of the operator's to the same."""
    undo = []

    def make(*rules, **overrides):
        open_to_all = make_house("scaled").settings
        operator = Redis.from_url(open_to_all.redis_url, ssl_ca_certs=open_to_all.redis_ca_file or None)
        name, password = f"test-{secrets.token_hex(6)}", secrets.token_hex(16)
        undo.extend([operator.close, lambda: operator.execute_command("ACL", "DELUSER", name)])
        operator.execute_command(
            "ACL", "SETUSER", name, "on", f">{password}", "~secureapi:*", "resetchannels", "+@all", "-@dangerous", *rules
        )
        where = urlsplit(open_to_all.redis_url)
        url = urlunsplit(where._replace(netloc=f"{quote(name)}:{password}@{where.hostname}:{where.port}"))
        house = make_house("scaled", redis_url=url, blueprints=(probe,), **overrides)
        return SimpleNamespace(house=house, operator=operator, name=name, settings=open_to_all)

    yield make
    while undo:
        undo.pop()()


def refusals(confined):
    """What Redis has refused to this user."""
    log = confined.operator.execute_command("ACL", "LOG", 128)
    entries = [entry if isinstance(entry, dict) else dict(zip(entry[::2], entry[1::2], strict=True)) for entry in log]
    named = [{key.decode() if isinstance(key, bytes) else key: value for key, value in entry.items()} for entry in entries]
    return sorted(entry["object"].decode() for entry in named if entry["username"].decode() == confined.name)


def live_on(house):
    """Do everything that comes to Redis. Somebody who is signed in at the end."""
    person = house.register()
    other, third = house.sign_in(person), house.sign_in(person)
    client = house.client()
    shop = add_service(house)
    for path in ("/auth/sessions", "/users/me", "/users/me"):
        assert client.get(API + path, headers=person.headers).status_code == 200
    assert client.patch(f"{API}/users/me", headers=person.headers, json={"bio": "x"}).status_code == 200
    assert client.post(f"{API}/auth/login", json={"username": person.username, "password": "wrong"}).status_code == 401
    assert client.get(f"{API}/users/me", headers={"Authorization": "Bearer a.b.c"}).status_code == 401
    assert client.post(f"{API}/auth/refresh", json={"refresh_token": third.refresh}).status_code == 200
    assert client.post(f"{API}/auth/logout", headers=other.headers).status_code == 200
    assert client.get(f"{API}/users/me", headers=other.headers).status_code == 401
    assert shop.introspect(person.tokens.access).json["active"] is True
    assert client.post(INTROSPECT, headers=basic(shop.id, "wrong"), data={"token": "x"}).status_code == 401
    passwords = {"current_password": person.password, "new_password": NEW}
    assert client.post(f"{API}/auth/change-password", headers=person.headers, json=passwords).status_code == 200
    assert client.get(f"{API}/users/me", headers=third.headers).status_code == 401
    assert client.get(f"{API}/users/me", headers=person.headers).status_code == 200
    assert client.post(f"{API}/auth/password/check", json={"password": NEW}).status_code == 200
    assert client.get("/readyz").json == {
        "status": "ok",
        "checks": {"database": "ok", "redis": "ok", "outbox": "ok"},
        "limits": "shared",
    }
    return person


@pytest.fixture
def tried():
    """An endpoint for each named limit."""
    blueprint = Blueprint("tried", __name__)
    for name in limits_of(make_settings()):
        blueprint.get(f"/try/{name}", endpoint=name)(public(limited(name)(lambda: {"let": "in"})))
    return blueprint


def test_every_key_says_whose_it_is(make_house, tried):
    house = make_house("scaled", blueprints=(tried,))
    live_on(house)
    for name in house.service(Limits).rates:
        assert house.client().get(f"/try/{name}").status_code == 200

    with Redis.from_url(house.settings.redis_url, ssl_ca_certs=house.settings.redis_ca_file or None) as store:
        keys = [key.decode() for key in store.keys("*")]

    assert [key for key in keys if not key.startswith("secureapi:")] == []
    for name in house.service(Limits).rates:
        assert [key for key in keys if "moving-window" in key and f"/{name}/" in key], name


def test_a_user_who_may_touch_nothing_else_is_enough(make_confined):
    confined = make_confined("+info")

    live_on(confined.house)

    assert refusals(confined) == []
    assert confined.operator.keys("secureapi:*")
    store = confined.house.service(Limits)._limiter.storage._store
    assert not store.has_failed_within(3600)


def test_he_is_held_to_it(make_confined):
    """Otherwise the tests beside this one would prove nothing."""
    confined = make_confined("+info")
    with Redis.from_url(confined.house.settings.redis_url, ssl_ca_certs=confined.settings.redis_ca_file or None) as store:
        store.set("secureapi:x", "1", px=60_000)
        with pytest.raises(NoPermissionError):
            store.set("theirs:x", "1", px=60_000)
    assert refusals(confined) == ["theirs:x"]


def test_limits_are_counted_by_all_workers_together_with_such_a_user(make_confined, make_house):
    confined = make_confined("+info", login_rate_limit="3/minute")
    other_worker = make_house(
        "scaled",
        login_rate_limit="3/minute",
        database_url=confined.house.settings.database_url,
        redis_url=confined.house.settings.redis_url,
    )

    def guess(house):
        return house.client().post(f"{API}/auth/login", json={"username": "nobody-here", "password": "x"}).status_code

    assert [guess(house) for house in (confined.house, other_worker) * 3] == [401] * 3 + [429] * 3


@pytest.mark.parametrize(
    ("rules", "exchanges", "statements"), [(("+info",), ["EVALSHA"], 0), ((), ["EVALSHA", "EVALSHA"], 1)], ids=["told", "denied"]
)
def test_known_callers_cost_one_exchange_where_redis_says_which_it_is_and_get_in_where_it_may_not(
    make_confined, rules, exchanges, statements
):
    confined = make_confined(*rules)
    house, person = confined.house, confined.house.register()
    for _ in range(2):
        assert house.client().get("/probe", headers=person.headers).status_code == 200
    asked = Statements(house)
    # The same logical database, watched by somebody who may watch.
    watched = SimpleNamespace(redis_url=_as_operator(confined), redis_ca_file=confined.settings.redis_ca_file)

    with Exchanges(watched) as seen:
        for _ in range(4):
            asked.asked.clear()
            assert house.client().get("/probe", headers=person.headers).status_code == 200
            assert seen.counted() == exchanges
            # The driver's own look at a connection that was away is none of ours.
            assert len([one for one in asked.asked if "sessions" in one]) == statements

    assert house.service(Limits)._limiter.storage._store.server == ("" if statements else _run_of(confined))
    assert refusals(confined) == (["info"] if statements else [])


def _as_operator(confined):
    house, operator = urlsplit(confined.house.settings.redis_url), urlsplit(confined.settings.redis_url)
    return urlunsplit(operator._replace(path=house.path))


def _run_of(confined):
    return confined.operator.info("server")["run_id"]


def test_where_redis_may_not_say_which_it_is_an_end_is_an_end_all_the_same(make_confined):
    confined = make_confined()

    person = live_on(confined.house)
    assert confined.house.client().post(f"{API}/auth/logout-all", headers=person.headers).status_code == 200
    assert confined.house.client().get("/probe", headers=person.headers).status_code == 401

    assert set(refusals(confined)) == {"info"}
    assert not confined.house.service(Limits)._limiter.storage._store.has_failed_within(3600)


def test_a_user_who_may_not_run_scripts_is_a_redis_that_is_away(make_confined):
    """Slower, and nobody is let in who should not be; the operator finds it in the log and at /readyz."""
    confined = make_confined("-@scripting", login_rate_limit="4/minute")
    house, person = confined.house, confined.house.register()

    def guess():
        return house.client().post(f"{API}/auth/login", json={"username": "nobody-here", "password": "x"}).status_code

    assert house.client().get("/probe", headers=person.headers).status_code == 200
    assert [guess() for _ in range(3)] == [401, 429, 429], "the sign-in above counts too, and without Redis it is half the rate"
    assert isinstance(house.service(Limits)._limiter.storage._store, RedisStore)
    assert house.service(Limits)._limiter.storage._store.has_failed_within(3600)
