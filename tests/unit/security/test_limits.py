import math
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask, Response, g
from limits import RateLimitItemPerSecond
from limits.strategies import MovingWindowRateLimiter

from secureapi.core.errors import Unavailable
from secureapi.core.outbox import Backlog
from secureapi.core.redis import RedisAway
from secureapi.security import fallback as module
from secureapi.security import process_storage
from secureapi.security.database_counters import DatabaseCounters
from secureapi.security.errors import RateLimited
from secureapi.security.fallback import Fallback
from secureapi.security.limits import GENERAL, UNLIMITED, Kept, Limits, Spent, add_limit_headers, limit_of, limited, note
from secureapi.security.metrics import Metrics
from secureapi.security.named_limits import Protects, limits_of
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


def metrics_of(settings):
    return Metrics(settings, backlog=lambda: Backlog(0, 0, None))


@pytest.fixture
def limits_with(make_settings, moved):
    """`limits_with(**settings)` inside a request of an application of its own."""
    made = []

    def make(**overrides):
        app = Flask(f"limited-{len(made)}")
        settings = make_settings(**overrides)
        limits = Limits(app, settings, fallback=None, metrics=metrics_of(settings))
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
    rates = {name: limit.rate for name, limit in limits_of(settings).items()}
    assert (rates[GENERAL], rates["login"], rates["register"], rates["refresh"]) == (Rate(7, 60), Rate(5, 60), Rate(3, 3600), Rate(9, 60))
    assert UNLIMITED not in rates


def test_what_guards_guesses_mail_and_accounts_is_strict_and_nothing_else(make_settings):
    strict = {name for name, limit in limits_of(make_settings()).items() if limit.is_strict}
    assert strict == {"login", "login_devices", "register", "register_all", "recovery", "client_guess", "metrics_guess"}
    assert all(limit.is_strict for limit in limits_of(make_settings()).values() if limit.protects is Protects.SECRETS)


def test_the_page_about_limits_has_every_one_of_them(make_settings):
    page = (Path(__file__).resolve().parents[3] / "docs/limits.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")]
    described = {row[0].strip("`"): row[-1] for row in rows if len(row) == 5}
    assert described == {name: "strict" if limit.is_strict else "relaxed" for name, limit in limits_of(make_settings()).items()}


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


@pytest.mark.parametrize("word", ["user", "session", "client", "device", "all"])
@pytest.mark.parametrize("ids", [("1", "2"), (":1", ":2"), ("a:b::1", "a:b::2"), ("00000000-0000", "00000000-0001")])
def test_what_is_no_address_is_not_taken_for_one_whatever_its_id(limits_with, word, ids):
    """As an address both would be in one network, and pay for each other."""
    limits = limits_with(login_rate_limit="1/minute")
    assert [spend(limits, subject=f"{word}:{each}") for each in ids] == [1, 1]


@pytest.mark.parametrize("subject", ["", "unknown", "fe80::1%eth0", "a:b", "x" * 1000, "a/b", "\x00"])
def test_a_subject_of_any_kind_is_counted_and_is_no_accident(limits_with, subject):
    assert spend(limits_with(login_rate_limit="2/minute"), times=5, subject=subject) == 2


def test_a_crowd_gets_no_more_than_one_after_the_other(make_settings):
    """Sixteen threads on one budget; nobody's clock is moved."""
    app = Flask("crowd")
    settings = make_settings(login_rate_limit="50/day")
    limits, accepted, barrier = Limits(app, settings, fallback=None, metrics=metrics_of(settings)), [], threading.Barrier(16)

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
    def limits(self, make_settings, moved, database, clock):
        """Limits whose Redis can be taken away (`limits.store.is_away`), and then a database too (`limits.counters.is_away`)."""
        app = Flask("fallback")
        settings = make_settings(login_rate_limit="6/minute", refresh_rate_limit="12/minute", password_check_rate_limit="1/minute")
        metrics, counters, seen = metrics_of(settings), DatabaseCounters(database=database, clock=clock), []
        degradation = SimpleNamespace(look=lambda *, is_away: seen.append(is_away))
        fallback = Fallback(settings, counters=counters, degradation=degradation, metrics=metrics)
        store = SimpleNamespace(is_away=True, error=RedisAway())
        limits = Limits(app, settings, store, fallback=fallback, metrics=metrics)
        shared = MovingWindowRateLimiter(ProcessStorage())

        def hit(*args):
            if store.is_away:
                raise store.error
            return shared.hit(*args)

        limits._limiter = SimpleNamespace(limiter=SimpleNamespace(hit=hit, get_window_stats=shared.get_window_stats))
        limits.store, limits.seen, limits.counters = store, seen, counters
        with app.test_request_context():
            yield limits

    def test_what_guards_guesses_is_counted_in_the_database_at_half_the_rate(self, limits, database):
        assert spend(limits, times=10) == 3
        with database.reading() as connection:
            ((key, attempts),) = connection.exec_driver_sql("SELECT key, attempts FROM throttles").all()
        assert (key.rpartition(":")[0], attempts) == ("limit:login", 3)

    def test_everything_else_is_counted_in_the_process_at_half_the_rate(self, limits, database):
        assert spend(limits, times=20, name="refresh") == 6
        with database.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM throttles").scalar_one() == 0

    def test_one_request_is_always_let_through(self, limits):
        assert spend(limits, times=5, name="password_check") == 1

    @pytest.mark.parametrize(("workers", "share", "allowed"), [(1, 0.5, 30), (4, 0.5, 7), (4, 1, 15), (256, 0.5, 1), (2, 0.01, 1)])
    def test_each_process_allows_its_part_of_the_rate(self, make_settings, workers, share, allowed):
        settings = make_settings(web_concurrency=workers, limits_fallback_share=share)
        fallback = Fallback(settings, counters=None, degradation=None, metrics=None)
        assert fallback.rate_in_process(Rate(60, 60)) == Rate(allowed, 60)

    @pytest.mark.parametrize(("name", "rate"), [("login", Rate(3, 60)), ("refresh", Rate(6, 60))])
    def test_the_rate_that_is_in_force_is_what_is_told(self, limits, name, rate):
        limits.spend(name, "192.0.2.1")
        assert (g.spent.rate, g.spent.remaining) == (rate, rate.requests - 1)

    def test_guesses_are_refused_where_they_can_be_counted_nowhere(self, limits, monkeypatch):
        def away(*_):
            raise Unavailable(retry_after=2)

        monkeypatch.setattr(limits.counters, "_count", away)
        with pytest.raises(Unavailable):
            limits.spend("login", "192.0.2.1")
        assert spend(limits, name="refresh") == 1

    def test_it_is_counted_together_again_when_it_is_back(self, limits):
        spend(limits, times=10)
        limits.store.is_away = False
        assert spend(limits, times=10) == 6

    def test_how_the_store_is_is_noticed_at_each_count(self, limits):
        spend(limits)
        limits.store.is_away = False
        spend(limits)
        assert limits.seen == [True, False]

    def test_where_limits_are_kept_is_told_to_whoever_looks(self, limits, limits_with):
        assert limits.look() is Kept.WITHOUT_REDIS
        limits.store.is_away = False
        assert limits.look() is Kept.SHARED
        assert limits_with().look() is Kept.IN_PROCESS

    def test_whoever_has_just_found_it_away_does_not_wait_for_it_again(self, limits):
        limits.store.error = AssertionError("it was asked")
        assert limits.spend("refresh", "session:1", alone=True).remaining == 5

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
