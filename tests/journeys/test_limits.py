"""How often: what a client is told, that the time to wait is true, and that limits go on without Redis."""

import re
import time

import pytest
from redis import Redis

from journeys.answers import assert_headers, assert_problem
from secureapi.security.limits import Limits

LOGIN = "/api/v1/auth/login"
NOBODY = {"username": "nobody-here", "password": "x"}


def parsed(answer):
    """RateLimit-Policy and RateLimit as (name, quota, window) and (name, remaining, reset)."""
    policy = re.fullmatch(r'"([a-z-]+)";q=(\d+);w=(\d+)', answer.headers["RateLimit-Policy"])
    state = re.fullmatch(r'"([a-z-]+)";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert policy, answer.headers["RateLimit-Policy"]
    assert state, answer.headers["RateLimit"]
    assert policy[1] == state[1]
    return policy[1], int(policy[2]), int(policy[3]), int(state[2]), int(state[3])


def log_in(house, address="192.0.2.1", **headers):
    return house.client().post(LOGIN, json=NOBODY, environ_overrides={"REMOTE_ADDR": address}, headers=headers)


def test_a_client_is_told_how_much_is_left_and_then_how_long_to_wait(make_house, engine):
    house = make_house(engine, login_rate_limit="3/minute")

    answers = [log_in(house) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert [parsed(answer)[:4] for answer in answers] == [("login", 3, 60, left) for left in (2, 1, 0, 0, 0)]
    assert all(0 < parsed(answer)[4] <= 60 for answer in answers)
    for answer in answers[3:]:
        assert_problem(answer, 429, "rate_limited")
        assert 50 <= int(answer.headers["Retry-After"]) <= 60


def test_who_waits_as_long_as_he_was_told_is_let_in_and_who_comes_earlier_is_not(make_house, monkeypatch):
    house = make_house(login_rate_limit="2/hour")
    began = time.time()
    for _ in range(2):
        log_in(house)
    wait = int(log_in(house).headers["Retry-After"])

    assert 3590 <= wait <= 3600
    monkeypatch.setattr(time, "time", lambda: began + wait - 60)
    assert log_in(house).status_code == 429
    monkeypatch.setattr(time, "time", lambda: began + wait + 1)
    assert log_in(house).status_code == 401


def test_the_time_to_wait_comes_true_in_redis(make_house):
    house = make_house("scaled", login_rate_limit="2/1 second")

    answers = [log_in(house) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].headers["Retry-After"] == "1"

    deadline = time.monotonic() + 5
    while log_in(house).status_code == 429:
        assert time.monotonic() < deadline


def test_every_key_in_redis_goes_away_by_itself(make_house):
    house = make_house("scaled", login_rate_limit="2/minute")
    person = house.register()
    for _ in range(4):
        log_in(house)
        house.client().get("/api/v1/users/me", headers=person.headers)
    house.client().post("/api/v1/auth/logout", headers=person.headers)

    store = Redis(connection_pool=house.service(Limits)._limiter.storage._store._pool)
    keys = store.keys("*")
    assert len(keys) >= 3
    assert [key for key in keys if store.pttl(key) <= 0] == []


@pytest.mark.parametrize("name", ["register", "login", "refresh"])
@pytest.mark.parametrize("body", [{}, [], "x", {"refresh_token": "x"}])
def test_each_public_endpoint_has_its_own_budget_for_each_address_whatever_is_sent(make_house, base, name, body):
    house = make_house(**{f"{name}_rate_limit": "2/minute"})

    def send(address):
        return house.client().post(f"{base}/auth/{name}", json=body, environ_overrides={"REMOTE_ADDR": address})

    statuses = [send("192.0.2.7").status_code for _ in range(4)]
    assert statuses[2:] == [429, 429]
    assert 429 not in statuses[:2]
    assert parsed(send("192.0.2.7"))[0] == name
    assert send("192.0.2.8").status_code != 429


def test_both_ways_to_address_an_endpoint_share_one_budget(make_house, engine):
    house = make_house(engine, login_rate_limit="2/minute")

    answers = [house.client().post(path, json=NOBODY) for path in (LOGIN, "/auth/login", LOGIN, "/auth/login")]

    assert [answer.status_code for answer in answers] == [401, 401, 429, 429]


def test_a_caller_has_one_budget_for_all_endpoints_and_addresses_and_not_his_neighbours(make_house, engine):
    house = make_house(engine, rate_limit_per_minute=4)
    person, neighbour = house.register(), house.register()
    assert person.headers
    assert neighbour.headers

    def read(somebody, path="/users/me", address="192.0.2.1"):
        return house.client().get(f"/api/v1{path}", headers=somebody.headers, environ_overrides={"REMOTE_ADDR": address})

    answers = [read(person), read(person, "/security/health"), read(person, address="192.0.2.2"), read(person), read(person)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert [parsed(answer)[:4] for answer in answers] == [("api", 4, 60, left) for left in (3, 2, 1, 0, 0)]
    assert_problem(answers[-1], 429, "rate_limited")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 120
    assert read(neighbour).status_code == 200


def test_a_guesser_of_tokens_spends_the_budget_of_his_address(make_house, engine):
    house = make_house(engine, rate_limit_per_minute=3)

    answers = [house.client().get("/api/v1/users/me", headers={"Authorization": f"Bearer a.b.{n}"}) for n in range(4)]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


def test_an_owner_of_a_whole_ipv6_network_counts_as_one(make_house, engine):
    house = make_house(engine, login_rate_limit="2/minute")

    answers = [log_in(house, f"2001:db8:1:1::{number:x}") for number in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert log_in(house, "2001:db8:1:2::1").status_code == 401


def test_a_liar_about_his_address_gets_no_second_budget(make_house, engine):
    house = make_house(engine, login_rate_limit="2/minute")
    lies = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP")

    answers = [log_in(house, **{name: f"203.0.113.{number}"}) for number, name in enumerate(lies)]

    assert [answer.status_code for answer in answers] == [401, 401] + [429] * (len(lies) - 2)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
def test_probes_are_answered_whatever_happens(make_house, engine, path):
    house = make_house(engine, rate_limit_per_minute=1)

    answers = [house.client().get(path) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert not any("RateLimit" in answer.headers for answer in answers)


def test_a_limited_answer_has_every_header_and_a_good_one_no_retry_after(make_house, engine):
    house = make_house(engine, login_rate_limit="1/minute", cors_origins="https://app.example.com")

    good, limited = (log_in(house, Origin="https://app.example.com") for _ in range(2))

    assert_headers(good)
    assert_problem(limited, 429)
    assert limited.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "Retry-After" in limited.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("trouble", ["stop", "pause"])
def test_limits_go_on_in_the_process_while_redis_is_away(make_services, make_house, trouble):
    services = make_services()
    house = make_house("scaled", services=services, login_rate_limit="3/minute", rate_limit_per_minute=5, redis_timeout_seconds=0.1)
    person = house.register()
    assert person.headers
    getattr(services.redis, trouble)()

    logins = [log_in(house, "192.0.2.200").status_code for _ in range(5)]
    reads = [house.client().get("/api/v1/users/me", headers=person.headers).status_code for _ in range(7)]

    assert logins == [401, 401, 401, 429, 429]
    assert reads == [200] * 5 + [429] * 2
    assert house.client().get("/readyz").json == {"status": "degraded", "checks": {"database": "ok", "redis": "failing"}}
    assert house.client().get("/health").json == {"status": "healthy"}
