import threading
from datetime import UTC, datetime, timedelta

import pytest

from secureapi.core.clock import FrozenClock
from secureapi.security.database_counters import DatabaseCounters, halved
from secureapi.security.named_limits import Limit, Protects
from secureapi.settings.values import Rate
from support.each import each

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def limit_of(requests, seconds=60, name="login"):
    return Limit(name, Rate(requests, seconds), Protects.SECRETS)


@pytest.fixture
def clock():
    return FrozenClock(NOON)


@pytest.fixture
def make(database, clock):
    """`make()`: counters of one more process."""
    return lambda: DatabaseCounters(database=database, clock=clock)


def rows(database):
    with database.reading() as connection:
        return connection.exec_driver_sql("SELECT key, attempts FROM throttles").all()


@pytest.mark.parametrize(("requests", "half"), [(1, 1), (2, 1), (3, 1), (5, 2), (600, 300)])
def test_half_the_rate_and_at_least_one(requests, half):
    assert halved(Rate(requests, 60)) == Rate(half, 60)


def test_so_many_are_accepted_and_what_is_left_is_told(make, clock):
    counters, told = make(), []
    for _ in range(5):
        told.append(counters.spend(limit_of(6), "192.0.2.1"))
        clock.advance(timedelta(seconds=10))

    assert [(spent.remaining, spent.is_exceeded) for spent in told] == [(2, False), (1, False), (0, False), (0, True), (0, True)]
    assert [spent.resets_in for spent in told] == [60, 50, 40, 30, 20]
    assert {spent.rate for spent in told} == {Rate(3, 60)}


def test_all_processes_count_together(make):
    processes = [make() for _ in range(3)]
    answers = [process.spend(limit_of(8), "192.0.2.1").is_exceeded for _ in range(4) for process in processes]
    assert answers == [False] * 4 + [True] * 8


def test_one_name_and_one_subject_do_not_pay_for_another(make):
    counters = make()
    spent = [
        counters.spend(limit_of(2), "192.0.2.1"),
        counters.spend(limit_of(2), "192.0.2.2"),
        counters.spend(limit_of(2, name="register"), "192.0.2.1"),
        counters.spend(limit_of(2), "192.0.2.1"),
    ]
    assert [one.is_exceeded for one in spent] == [False, False, False, True]


@each("requests", [1, 2, 3, 5, 8])
@each("step", [0.4, 7, 19.9, 29, 31])
def test_never_more_than_the_whole_rate_in_any_span_of_its_length(make, clock, requests, step):
    """Whatever the rhythm, and however many windows it meets the edges of."""
    counters, accepted = [make(), make()], []
    for number in range(int(300 / step)):
        if not counters[number % 2].spend(limit_of(requests), f"{requests} every {step}").is_exceeded:
            accepted.append(clock.now())
        clock.advance(timedelta(seconds=step))

    span = timedelta(seconds=60)
    assert max(sum(begin <= moment < begin + span for moment in accepted) for begin in accepted) <= requests
    assert len(accepted) >= min(len(range(int(300 / step))), halved(Rate(requests, 60)).requests * 3)


def test_who_waits_as_long_as_he_was_told_is_let_in_and_who_hammers_waits_no_longer(make, clock):
    counters = make()
    counters.spend(limit_of(1), "192.0.2.1")
    for second in range(60):
        refused = counters.spend(limit_of(1), "192.0.2.1")
        assert (refused.is_exceeded, refused.resets_in) == (True, 60 - second)
        clock.advance(timedelta(seconds=1))

    assert not counters.spend(limit_of(1), "192.0.2.1").is_exceeded


def test_a_flood_from_one_address_is_no_flood_on_the_database(make, monkeypatch, clock):
    counters = make()
    counters.spend(limit_of(1), "192.0.2.1")
    assert counters.spend(limit_of(1), "192.0.2.1").is_exceeded
    monkeypatch.setattr(counters, "_count", lambda *_: pytest.fail("the database was asked"))

    assert {counters.spend(limit_of(1), "192.0.2.1").is_exceeded for _ in range(100)} == {True}

    monkeypatch.undo()
    clock.advance(timedelta(seconds=60))
    assert not counters.spend(limit_of(1), "192.0.2.1").is_exceeded


def test_what_is_remembered_of_it_is_bounded(make, monkeypatch):
    monkeypatch.setattr("secureapi.security.database_counters._MOST_REMEMBERED", 10)
    counters = make()
    for number in range(25):
        for _ in range(2):
            counters.spend(limit_of(1), f"192.0.2.{number}")
    assert len(counters._closed) <= 10
    assert counters.spend(limit_of(1), "192.0.2.0").is_exceeded


def test_a_crowd_gets_no_more_than_one_after_the_other(make):
    processes, accepted, barrier = [make() for _ in range(4)], [], threading.Barrier(8)

    def rush(process):
        barrier.wait()
        accepted.extend(not process.spend(limit_of(40), "192.0.2.1").is_exceeded for _ in range(10))

    threads = [threading.Thread(target=rush, args=(processes[n % 4],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(accepted), sum(accepted)) == (80, 20)


def test_what_is_over_is_swept_by_whoever_comes_next(make, database, clock):
    counters = make()
    for number in range(15):
        counters.spend(limit_of(1), f"192.0.2.{number}")
    clock.advance(timedelta(seconds=61))
    counters.spend(limit_of(1), "198.51.100.1")
    assert len(rows(database)) == 1


@pytest.mark.parametrize("subject", ["", "x" * 5000, "\x00", "device:" + "a" * 300, "2001:db8::/64"])
def test_a_subject_of_any_kind_fits(make, database, subject):
    make().spend(limit_of(2, name="password_check_of_a_name"), subject)
    ((key, _),) = rows(database)
    assert len(key) <= 80
