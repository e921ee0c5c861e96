"""How often: what a client is told, that the time to wait is true, and that limits go on without Redis."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from flask import Blueprint
from redis import Redis

from journeys.answers import assert_headers, assert_problem
from secureapi.core.clock import FrozenClock
from secureapi.core.database import Database
from secureapi.core.errors import Unavailable
from secureapi.core.outbox import Outbox
from secureapi.security.guard import public
from secureapi.security.limits import Limits, limited
from secureapi.security.named_limits import limits_of
from support.cases import Cases
from support.processes import until
from support.sample_settings import make_settings

LOGIN = "/api/v1/auth/login"
NAMES = tuple(limits_of(make_settings()))
NO_REDIS = {"redis_url": "redis://127.0.0.1:1/0", "redis_require_tls": False, "redis_ca_file": ""}
"""Nobody listens there."""
REAL_TIME = time.time
NOBODY = {"username": "nobody-here", "password": "x"}
_STRING = r'"([ !#-\[\]-~]+)"'
_INTEGER = r"(0|[1-9]\d{0,14})"
"""A string without escapes and an integer that is not negative (RFC 9651 sections 3.3.1 and 3.3.3)."""


def parsed(answer):
    """RateLimit-Policy and RateLimit as (name, quota, window) and (name, remaining, reset)."""
    policy = re.fullmatch(rf"{_STRING};q={_INTEGER};w={_INTEGER}", answer.headers["RateLimit-Policy"])
    state = re.fullmatch(rf"{_STRING};r={_INTEGER};t={_INTEGER}", answer.headers["RateLimit"])
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


def test_each_public_endpoint_has_its_own_budget_for_each_address_whatever_is_sent(make_house, base):
    house = make_house(**dict.fromkeys(("register_rate_limit", "login_rate_limit", "refresh_rate_limit"), "2/day"))

    def send(name, body, address):
        return house.client().post(f"{base}/auth/{name}", json=body, environ_overrides={"REMOTE_ADDR": address})

    with Cases() as case:
        for name in ("register", "login", "refresh"):
            for number, body in enumerate(({}, [], "x", {"refresh_token": "x"})):
                with case(name, body):
                    mine, neighbours = f"192.0.{number}.7", f"192.0.{number}.8"
                    statuses = [send(name, body, mine).status_code for _ in range(4)]
                    assert statuses[2:] == [429, 429]
                    assert 429 not in statuses[:2]
                    assert parsed(send(name, body, mine))[0] == name
                    assert send(name, body, neighbours).status_code != 429


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
def test_limits_go_on_more_strictly_while_redis_is_away(make_services, make_house, trouble):
    services = make_services()
    house = make_house("scaled", services=services, login_rate_limit="5/minute", rate_limit_per_minute=5, redis_timeout_seconds=0.1)
    person = house.register()
    assert person.headers
    getattr(services.redis, trouble)()

    logins = [log_in(house, "192.0.2.200") for _ in range(4)]
    reads = [house.client().get("/api/v1/users/me", headers=person.headers) for _ in range(4)]

    assert [answer.status_code for answer in logins] == [401, 401, 429, 429]
    assert [answer.status_code for answer in reads] == [200, 200, 429, 429]
    assert [parsed(answer)[:4] for answer in logins] == [("login", 2, 60, left) for left in (1, 0, 0, 0)]
    assert [parsed(answer)[:4] for answer in reads] == [("api", 2, 60, left) for left in (1, 0, 0, 0)]
    ready = house.client().get("/readyz")
    assert (ready.status_code, ready.json) == (
        200,
        {"status": "degraded", "checks": {"database": "ok", "redis": "failing", "outbox": "ok"}, "limits": "without_redis"},
    )
    assert house.client().get("/health").json == {"status": "healthy"}

    services.resume()
    until(lambda: house.client().get("/readyz").json["limits"] == "shared")
    assert [log_in(house, "192.0.2.201").status_code for _ in range(6)] == [401] * 5 + [429]
    told = [(event.type, event.address, event.actor_id) for event in house.events() if event.type.startswith("security.limits.")]
    assert told == [("security.limits.degraded", "", None), ("security.limits.restored", "", None)]


@pytest.mark.parametrize("engine", ["embedded", "scaled"])
def test_guesses_are_503_where_neither_redis_nor_the_database_can_count_them(make_house, engine, monkeypatch):
    house = make_house(engine, **NO_REDIS)
    person = house.person()

    def away(*_, **__):
        raise Unavailable(retry_after=2)

    monkeypatch.setattr(house.service(Database), "writing", away)

    answer = log_in(house)
    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "RateLimit" not in answer.headers
    assert house.client().get("/api/v1/users/me", headers=person.headers).status_code == 200


def test_two_hosts_count_guesses_together_while_redis_is_away(make_house, engine):
    here = make_house(engine, login_rate_limit="8/minute", **NO_REDIS)
    there = make_house(database_url=here.settings.database_url, login_rate_limit="8/minute", **NO_REDIS)

    assert [log_in(house).status_code for house in (here, there) * 4] == [401] * 4 + [429] * 4


def test_a_messenger_who_brings_dead_letters_is_named_by_readyz(house, make_house, engine):
    house = make_house(engine)
    assert house.client().get("/readyz").json["checks"]["outbox"] == "ok"
    with house.service(Database).transaction() as session:
        house.service(Outbox).add(session, "mail.refresh_reused", user_id=None)
    house.execute("UPDATE outbox SET dead_at = created_at")

    ready = house.client().get("/readyz")

    assert (ready.status_code, ready.json["status"], ready.json["checks"]["outbox"]) == (200, "degraded", "failing")
    assert house.client().get("/health").json == {"status": "healthy"}


class _Tried:
    """Endpoints of nobody's, one for each named limit."""

    def __init__(self):
        self.blueprint = Blueprint("tried", __name__)
        for name in NAMES:
            self.blueprint.get(f"/try/{name}", endpoint=name)(public(limited(name)(lambda: {"let": "in"})))


class _InProcess:
    """One worker, no Redis: time is the machine's."""

    factor = 1

    def __init__(self, make_house, monkeypatch, **rates):
        self._monkeypatch, self._by = monkeypatch, 0
        self.house = self._built(make_house, blueprints=(_Tried().blueprint,), **rates)

    def _built(self, make_house, **options):
        return make_house(**options)

    def pass_(self, seconds):
        self._by += seconds
        really, by = REAL_TIME, self._by
        self._monkeypatch.setattr(time, "time", lambda: really() + by)


class _InRedis(_InProcess):
    """Its own clock cannot be moved: what it has kept is made older instead."""

    def _built(self, make_house, **options):
        return make_house("scaled", **options)

    def pass_(self, seconds):
        settings = self.house.settings
        with Redis.from_url(settings.redis_url, ssl_ca_certs=settings.redis_ca_file or None) as store:
            for key in store.scan_iter("secureapi:moving-window*"):
                kept, left = store.lrange(key, 0, -1), store.pttl(key)
                store.delete(key)
                if left > seconds * 1000:
                    store.rpush(key, *(int(moment) - seconds * 1000 for moment in kept))
                    store.pexpire(key, left - seconds * 1000)


class _WithoutRedis(_InProcess):
    """What guards guesses in the database, the rest in the process: two clocks to move."""

    factor = 0.5

    def _built(self, make_house, **options):
        self._clock = FrozenClock(datetime.now(UTC))
        return make_house(clock=self._clock, **NO_REDIS, **options)

    def pass_(self, seconds):
        super().pass_(seconds)
        self._clock.advance(timedelta(seconds=seconds))


class _WithoutRedisOnPostgresql(_WithoutRedis):
    def _built(self, make_house, **options):
        return super()._built(lambda **more: make_house("scaled", **more), **options)


@pytest.mark.parametrize("kept", [_InProcess, _InRedis, _WithoutRedis, _WithoutRedisOnPostgresql])
def test_every_named_limit_tells_the_truth_about_the_time_to_wait(make_house, monkeypatch, kept):
    """AC-91."""
    rates = {
        f"{name}_rate_limit": "4/60 seconds" for name in ("login", "register", "recovery", "refresh", "client", "profile", "user_import")
    }
    rates |= {"password_check_rate_limit": "6/90 seconds", "register_global_rate_limit": "8/hour"}
    place = kept(make_house, monkeypatch, rate_limit_max_requests=4, rate_limit_window_seconds=45, **rates)
    client, declared = place.house.client(), place.house.service(Limits).rates

    for name, rate in declared.items():
        most = int(rate.requests * place.factor)
        answers = [client.get(f"/try/{name}") for _ in range(most + 1)]
        assert [answer.status_code for answer in answers] == [200] * most + [429], name
        assert [parsed(answer)[:4] for answer in answers] == [(name, most, rate.seconds, left) for left in [*reversed(range(most)), 0]]
        assert not any("Retry-After" in answer.headers for answer in answers[:-1])
        wait = int(answers[-1].headers["Retry-After"])
        assert wait == pytest.approx(rate.seconds, abs=1)
        assert parsed(answers[-1])[4] == wait

        place.pass_(wait // 3)
        later = client.get(f"/try/{name}")
        assert later.status_code == 429
        assert int(later.headers["Retry-After"]) == pytest.approx(wait - wait // 3, abs=1)

        place.pass_(wait - wait // 3 - 2)
        assert client.get(f"/try/{name}").status_code == 429, name
        place.pass_(3)
        assert client.get(f"/try/{name}").status_code == 200, name


@pytest.mark.parametrize("engine", ["embedded", "scaled"])
def test_a_callers_own_budget_tells_the_truth_too(make_house, engine, monkeypatch):
    """It is counted by another script than the named ones."""
    house = make_house(engine, rate_limit_max_requests=3, rate_limit_window_seconds=40)
    person = house.person()

    answers = [house.client().get("/api/v1/users/me", headers=person.headers) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    wait = int(answers[-1].headers["Retry-After"])
    assert wait == parsed(answers[-1])[4] == pytest.approx(40, abs=1)
    if engine == "scaled":
        with Redis.from_url(house.settings.redis_url, ssl_ca_certs=house.settings.redis_ca_file or None) as store:
            (key,) = store.scan_iter("secureapi:{*}:w:*")
            kept = [int(moment) - 25_000 for moment in store.lrange(key, 0, -1)]
            store.delete(key)
            store.rpush(key, *kept)
    else:
        monkeypatch.setattr(time, "time", lambda: REAL_TIME() + 25)
    assert int(house.client().get("/api/v1/users/me", headers=person.headers).headers["Retry-After"]) == pytest.approx(wait - 25, abs=1)
