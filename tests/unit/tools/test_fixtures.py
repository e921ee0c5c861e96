"""The fixtures themselves: each does what others build on."""

from datetime import timedelta

import pytest

from secureapi.settings import load_settings
from support.each import each
from support.sample_settings import as_environment


def test_settings_survive_the_way_through_an_environment(make_settings):
    settings = make_settings(login_rate_limit="5/minute", trusted_proxies="10.0.0.0/8,::1/128")

    assert load_settings(as_environment(settings)) == settings


def test_settings_refuse_a_name_that_does_not_exist(make_settings):
    with pytest.raises(TypeError, match="no_such_field"):
        make_settings(no_such_field=1)


def test_a_shared_house_registers_signs_in_and_remembers(house):
    person = house.register()

    answer = house.client().get("/api/v1/users/me", headers=person.headers)

    assert answer.json["username"] == person.username
    assert [row.type for row in house.events(subject=person)] == ["users.registered", "auth.login.succeeded"]


def test_an_administrator_may_enter_where_others_may_not(house):
    administrator, user = house.administrator(), house.person(role="user")

    assert house.client().get("/api/v1/security/events", headers=administrator.headers).status_code == 200
    assert house.client().get("/api/v1/security/events", headers=user.headers).status_code == 403


def test_houses_of_ones_own_share_nothing(make_house, engine, clock):
    one, other = make_house(engine, clock=clock), make_house(engine)
    person = one.register()

    before = one.execute("SELECT count(*) FROM users WHERE id = :id", id=person.id.replace("-", "") if one.is_embedded else person.id)
    assert before[0][0] == 1
    assert other.execute("SELECT count(*) FROM users")[0][0] == 0
    clock.advance(timedelta(minutes=5))
    person.house.sign_in(person)
    moments = [row.occurred_at for row in one.events("auth.login.succeeded")]
    assert moments == [clock.now()]


def test_the_live_server_shares_people_with_its_house(live):
    person = live.house.register()

    assert live.get("/api/v1/users/me", person=person).json["username"] == person.username
    assert live.post("/api/v1/auth/login", form={"username": person.username, "password": person.password}).status == 200


def test_a_private_pair_of_servers_can_be_paused_and_stopped(make_services, make_house):
    services = make_services()
    house = make_house("scaled", services=services, database_timeout_seconds=1.0, redis_timeout_seconds=0.2)
    person = house.register()
    assert house.client().get("/api/v1/users/me", headers=person.headers).status_code == 200

    services.redis.pause()
    assert house.client().get("/api/v1/users/me", headers=person.headers).status_code == 200
    services.redis.resume()
    services.postgres.stop()
    assert house.client().get("/readyz").status_code == 503
    services.postgres.start()
    assert house.client().get("/readyz").status_code == 200


def test_a_table_tries_every_row_and_names_those_that_fail():
    tried = []

    @each("parity", [0, 1])
    @each("number", [2, 3])
    def even_or_odd(number, parity):
        tried.append((number, parity))
        assert number % 2 == parity

    with pytest.raises(AssertionError, match=r"^2 of 4 cases failed\nparity = 0 number = 3: .*\nparity = 1 number = 2: "):
        even_or_odd()
    assert len(set(tried)) == 4


def test_an_empty_table_proves_nothing():
    with pytest.raises(AssertionError, match="no case was tried"):
        each("number", [])(lambda number: None)()
