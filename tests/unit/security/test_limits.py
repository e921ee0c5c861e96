import math
import threading
import time
from types import SimpleNamespace

import pytest
from flask import Flask, Response, g
from limits import RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter

from secureapi.core.redis import RedisAway
from secureapi.security import limits as module
from secureapi.security import process_storage
from secureapi.security.errors import RateLimited
from secureapi.security.limits import GENERAL, UNLIMITED, Limits, Spent, add_limit_headers, limit_of, limited, note, rates_of
from secureapi.security.process_storage import ProcessStorage
from secureapi.security.redis_storage import RedisStorage
from secureapi.settings.values import Rate

NOW = 1_700_000_000.0


@pytest.fixture
def moved(monkeypatch):
    """The clock of the limits, and of the store in which they count; `moved.by` are seconds."""
    clock = SimpleNamespace(by=0.0)
    fake = SimpleNamespace(time=lambda: NOW + clock.by, monotonic=lambda: clock.by)
    monkeypatch.setattr(module, "time", fake)
    monkeypatch.setattr(process_storage, "time", fake)
    return clock


@pytest.fixture
def limits_with(make_settings, moved):
    """`limits_with(**settings)` inside a request of an application of its own."""
    made = []

    def make(**overrides):
        app = Flask(f"limited-{len(made)}")
        limits = Limits(app, make_settings(**overrides))
        context = app.test_request_context()
        context.push()
        made.append(context)
        return limits

    yield make
    for context in reversed(made):
        context.pop()


def spend(limits, times=1, subject="192.0.2.1", name="login"):
    """How many of so many requests were accepted."""
    accepted = 0
    for _ in range(times):
        try:
            limits.spend(name, subject)
        except RateLimited:
            continue
        accepted += 1
    return accepted


def test_the_table_is_filled_from_the_settings(make_settings):
    settings = make_settings(
        rate_limit_per_minute=7, login_rate_limit="5/minute", register_rate_limit="3/hour", refresh_rate_limit="9/minute"
    )
    rates = rates_of(settings)
    assert (rates[GENERAL], rates["login"], rates["register"], rates["refresh"]) == (Rate(7, 60), Rate(5, 60), Rate(3, 3600), Rate(9, 60))
    assert UNLIMITED not in rates


def test_so_many_requests_are_accepted_and_no_more(limits_with):
    assert spend(limits_with(login_rate_limit="5/minute"), times=50) == 5


def test_what_is_left_is_told(limits_with):
    limits = limits_with(login_rate_limit="3/minute")
    assert [limits.spend("login", "a").remaining for _ in range(3)] == [2, 1, 0]
    with pytest.raises(RateLimited) as refused:
        limits.spend("login", "a")
    assert refused.value.retry_after == pytest.approx(60, abs=0.1)
    assert g.spent.is_exceeded


def test_the_wait_is_the_time_that_is_really_left(limits_with, moved):
    limits = limits_with(login_rate_limit="2/minute")
    spend(limits)
    moved.by = 40
    spend(limits)
    moved.by = 45
    with pytest.raises(RateLimited) as refused:
        limits.spend("login", "192.0.2.1")
    assert refused.value.retry_after == pytest.approx(15, abs=0.1)
    moved.by += math.ceil(refused.value.retry_after) + 0.1
    assert spend(limits, times=5) == 1


@pytest.mark.parametrize("edge", [59.9, 60.0, 60.1, 119.9])
def test_a_burst_on_both_sides_of_a_boundary_is_one_burst(limits_with, moved, edge):
    limits = limits_with(login_rate_limit="5/minute")
    moved.by = edge - 0.05
    assert spend(limits, times=5) == 5
    moved.by = edge + 0.05
    assert spend(limits, times=5) == 0


def test_never_more_than_the_limit_in_any_window(limits_with, moved):
    limits, accepted_at = limits_with(login_rate_limit="5/minute"), []
    for step in range(600):
        moved.by = step * 0.5
        accepted_at += [moved.by] * spend(limits)
    assert max(sum(start <= moment < start + 60 for moment in accepted_at) for start in accepted_at) == 5
    assert len(accepted_at) >= 20


def test_one_name_and_one_subject_do_not_pay_for_another(limits_with):
    limits = limits_with(login_rate_limit="2/minute", register_rate_limit="2/minute")
    assert spend(limits, times=5) == 2
    assert spend(limits, times=5, subject="192.0.2.2") == 2
    assert spend(limits, times=5, name="register") == 2


@pytest.mark.parametrize("other", ["2001:db8::2", "2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:0DB8::1"])
def test_mallory_with_a_whole_network_of_addresses_is_one(limits_with, other):
    """A /64 is what one household gets."""
    limits = limits_with(login_rate_limit="2/minute")
    assert spend(limits, times=2, subject="2001:db8::1") == 2
    assert spend(limits, subject=other) == 0
    assert spend(limits, subject="2001:db8:0:1::1") == 1


def test_users_are_counted_by_themselves(limits_with):
    limits = limits_with(login_rate_limit="1/minute")
    assert [spend(limits, subject=f"user:{name}") for name in ("a", "b", "a")] == [1, 1, 0]


@pytest.mark.parametrize("subject", ["", "unknown", "fe80::1%eth0", "a:b", "x" * 1000, "a/b", "\x00"])
def test_a_subject_of_any_kind_is_counted_and_is_no_accident(limits_with, subject):
    assert spend(limits_with(login_rate_limit="2/minute"), times=5, subject=subject) == 2


def test_a_crowd_gets_no_more_than_one_after_the_other(make_settings):
    """Sixteen threads on one budget; nobody's clock is moved."""
    app = Flask("crowd")
    limits, accepted, barrier = Limits(app, make_settings(login_rate_limit="50/day")), [], threading.Barrier(16)

    def rush():
        barrier.wait()
        for _ in range(20):
            with app.test_request_context():
                accepted.append(spend(limits))

    threads = [threading.Thread(target=rush) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(accepted), sum(accepted)) == (320, 50)


class TestWithoutItsStore:
    @pytest.fixture
    def limits(self, limits_with, monkeypatch):
        """Limits whose shared store can be taken away: `limits.store.is_away`."""
        limits = limits_with(login_rate_limit="3/minute")
        shared = MovingWindowRateLimiter(ProcessStorage())
        store = SimpleNamespace(is_away=True, asked=0, error=RedisAway())

        def hit(*args):
            store.asked += 1
            if store.is_away:
                raise store.error
            return shared.hit(*args)

        fake = SimpleNamespace(hit=hit, get_window_stats=shared.get_window_stats)
        monkeypatch.setattr(limits, "_limiter", SimpleNamespace(limiter=fake))
        limits.store = store
        return limits

    def test_each_process_counts_by_itself(self, limits):
        assert spend(limits, times=10) == 3

    def test_it_counts_again_when_it_is_back(self, limits):
        spend(limits, times=3)
        limits.store.is_away = False
        assert spend(limits, times=5) == 3

    def test_a_defect_is_no_outage(self, limits):
        limits.store.error = TypeError()
        with pytest.raises(TypeError):
            limits.spend("login", "192.0.2.1")


class TestHeaders:
    @pytest.fixture(autouse=True)
    def _inside_a_request(self):
        with Flask("headers").test_request_context():
            yield

    def test_they_say_the_policy_and_what_is_left(self):
        note(Spent("login", Rate(5, 60), 4, 59.2))
        headers = add_limit_headers(Response()).headers
        assert headers["RateLimit-Policy"] == '"login";q=5;w=60'
        assert headers["RateLimit"] == '"login";r=4;t=60'

    def test_without_a_limit_there_are_none(self):
        assert not {"RateLimit", "RateLimit-Policy", "Retry-After"} & set(add_limit_headers(Response()).headers.keys())

    def test_they_stand_on_a_refusal_too(self):
        with pytest.raises(RateLimited):
            note(Spent("login", Rate(5, 60), 0, 12.0, is_exceeded=True))
        assert add_limit_headers(Response()).headers["RateLimit"] == '"login";r=0;t=12'


def test_an_endpoint_that_names_no_limit_has_the_general_one():
    def view():
        pass

    assert limit_of(view) == limit_of(None) == GENERAL
    assert limit_of(limited("login")(view)) == "login"
    assert limit_of(limited(UNLIMITED)(view)) == UNLIMITED


class TestRedisStorage:
    class Store:
        """In place of Redis: answers what the script would."""

        def __init__(self):
            self.asked = []
            self.answer = [1, 3, -20_000]

        def run(self, script, keys, args):
            self.asked.append((keys, args))
            return self.answer

    def test_one_exchange_tells_whether_and_what_is_left(self, moved):
        store = self.Store()
        strategy = MovingWindowRateLimiter(RedisStorage(store=store))
        item = RateLimitItemPerSecond(5, 60)
        assert strategy.hit(item, "login", "a")
        window = strategy.get_window_stats(item, "login", "a")
        assert (window.remaining, window.reset_time) == (2, pytest.approx(time.time() + 40, abs=1))
        assert store.asked == [((item.key_for("login", "a"),), (5, 60_000, 1))]

    def test_a_full_window_accepts_nothing(self):
        store = self.Store()
        store.answer = [0, 5, -59_000]
        assert not MovingWindowRateLimiter(RedisStorage(store=store)).hit(RateLimitItemPerSecond(5, 60), "login", "a")

    def test_what_was_found_for_one_is_not_told_of_another(self):
        storage = RedisStorage(store=self.Store())
        storage.acquire_entry("a", 5, 60)
        assert storage.get_moving_window("b", 5, 60)[1] == 0
