import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from secureapi.core.clock import FrozenClock
from secureapi.core.database import table_of
from secureapi.security.attempts import PASSWORD, SESSION, TYPED, Attempts, Bound, kinds_of
from secureapi.security.models import Throttle

WINDOW = timedelta(minutes=30)
MOST = 5
ALICE, BOB = "01890000-0000-7000-8000-00000000000a", "01890000-0000-7000-8000-00000000000b"


@pytest.fixture
def clock():
    return FrozenClock(datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC))


@pytest.fixture
def attempts(clock):
    return Attempts(clock=clock, bound=lambda: Bound(MOST, WINDOW))


@pytest.fixture
def reserve(database, attempts):
    def one(key="password:alice"):
        with database.transaction() as session:
            return attempts.reserve(session, key)

    return one


@pytest.fixture
def is_locked(database, attempts):
    def ask(key="password:alice"):
        with database.transaction() as session:
            return attempts.is_locked(session, key)

    return ask


def test_so_many_attempts_are_looked_at_and_no_more(reserve):
    made = [reserve() for _ in range(8)]
    assert [attempt.number for attempt in made] == [1, 2, 3, 4, 5, 6, 6, 6]
    assert [attempt.is_allowed for attempt in made] == [True] * 5 + [False] * 3
    assert [attempt.is_last for attempt in made] == [False] * 4 + [True] + [False] * 3


def test_two_hundred_guesses_at_once_get_no_more_than_one_after_the_other(database, attempts):
    """Each thread has a connection of its own; the file is the only thing they share."""
    made, barrier = [], threading.Barrier(16)

    def guess():
        barrier.wait()
        for _ in range(13):
            with database.transaction() as session:
                attempt = attempts.reserve(session, "password:alice")
            made.append(attempt)

    threads = [threading.Thread(target=guess) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(attempt.number for attempt in made) == [1, 2, 3, 4, 5] + [6] * 203
    assert sum(attempt.is_allowed for attempt in made) == MOST
    assert sum(attempt.is_last for attempt in made) == 1


def test_one_account_does_not_pay_for_another(reserve):
    for _ in range(7):
        reserve("password:alice")
    assert reserve("password:bob").number == 1


def test_an_account_is_locked_after_the_last_attempt_and_not_before(reserve, is_locked):
    for _ in range(MOST - 1):
        reserve()
        assert not is_locked()
    reserve()
    assert is_locked()
    assert not is_locked("password:bob")


def test_a_lock_lasts_from_the_last_attempt_and_ends_by_itself(reserve, is_locked, clock):
    for _ in range(MOST):
        reserve()
        clock.advance(timedelta(minutes=5))
    clock.advance(timedelta(minutes=24, seconds=59))
    assert is_locked()
    assert not reserve().is_allowed
    clock.advance(timedelta(seconds=1))
    assert not is_locked()
    assert reserve().number == 1


def test_mallory_cannot_keep_an_account_locked_by_knocking_on(reserve, is_locked, clock):
    for _ in range(MOST):
        reserve()
    for _ in range(29):
        clock.advance(timedelta(minutes=1))
        reserve()
    assert is_locked()
    clock.advance(timedelta(minutes=1))
    assert not is_locked()
    assert reserve().is_allowed


def test_old_wrong_attempts_are_forgotten(reserve, clock):
    for _ in range(MOST - 1):
        reserve()
    clock.advance(WINDOW)
    assert reserve().number == 1


def test_a_right_attempt_clears_the_count(database, attempts, reserve):
    for _ in range(3):
        reserve()
    with database.transaction() as session:
        assert attempts.clear(session, "password:alice") is True
        assert attempts.clear(session, "password:alice") is False
    assert reserve().number == 1


def test_a_reservation_that_is_rolled_back_was_none(database, attempts, reserve):
    def interrupted():
        with database.transaction() as session:
            attempts.reserve(session, "password:alice")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert reserve().number == 1


def test_what_is_refused_is_not_counted_so_that_what_is_given_back_can_be_tried_again(database, attempts, reserve, is_locked):
    """While five were looked at a crowd was refused: it must not keep a key closed at which nobody has guessed."""
    for _ in range(40):
        reserve()
    assert is_locked()

    with database.transaction() as session:
        attempts.give_back(session, "password:alice")

    assert not is_locked()
    assert [reserve().number for _ in range(3)] == [5, 6, 6]


def test_a_limit_of_one_locks_at_the_first(database, clock):
    strict = Attempts(clock=clock, bound=lambda: Bound(1, WINDOW))
    with database.transaction() as session:
        first, second = strict.reserve(session, "k"), strict.reserve(session, "k")
        assert (first.is_allowed, first.is_last, second.is_allowed, second.is_last) == (True, True, False, False)
        assert strict.is_locked(session, "k")


def test_sweeping_removes_what_is_over_some_at_a_time_and_nothing_else(database, attempts, reserve, clock):
    def kept():
        with database.reading() as connection:
            return connection.execute(select(func.count()).select_from(table_of(Throttle))).scalar_one()

    for n in range(50):
        reserve(f"password:old-{n}")
    clock.advance(WINDOW)
    reserve("password:alice")
    left = []
    for _ in range(4):
        with database.transaction() as session:
            attempts.sweep(session)
        left.append(kept())
    assert left == [11, 1, 1, 1]
    assert reserve("password:alice").number == 2


def test_the_moment_is_compared_the_same_in_every_time_zone(database):
    from datetime import timezone

    here = FrozenClock(datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
    there = FrozenClock(datetime(2026, 11, 21, 23, 30, tzinfo=timezone(timedelta(hours=14))))
    with database.transaction() as session:
        for n in range(1, 4):
            assert Attempts(clock=here if n % 2 else there, bound=lambda: Bound(MOST, WINDOW)).reserve(session, "k").number == n


def test_each_kind_counts_apart_and_says_what_it_counts(database, clock, make_settings):
    kinds = kinds_of(make_settings(max_login_attempts=3, account_lockout_minutes=10))
    assert kinds.keys() == {PASSWORD, TYPED, SESSION}
    counters = {name: Attempts.of(kind, clock) for name, kind in kinds.items()}

    with database.transaction() as session:
        for _ in range(3):
            counters[PASSWORD].reserve(session, kinds[PASSWORD].key("alice", "from", "0123"), user_id=ALICE)
        assert counters[PASSWORD].is_locked(session, "password:alice:from:0123")
        assert not counters[PASSWORD].is_locked(session, "password:alice")
        assert not counters[SESSION].is_locked(session, kinds[SESSION].key("alice"))
    clock.advance(timedelta(minutes=10))
    with database.transaction() as session:
        assert not counters[PASSWORD].is_locked(session, "password:alice:from:0123")
    assert all(kind.counts.endswith(".") for kind in kinds.values())


def test_everything_about_one_account_is_forgotten_at_once_and_nothing_about_another(database, attempts):
    with database.transaction() as session:
        for key in ("password:a", "password:a:device:x", "session:s"):
            attempts.reserve(session, key, user_id=ALICE)
        attempts.reserve(session, "password:b", user_id=BOB)
        attempts.reserve(session, "password:nobody")

        assert attempts.clear_all(session, ALICE) is True
        assert attempts.clear_all(session, ALICE) is False
        again = [attempts.reserve(session, key).number for key in ("password:a", "session:s", "password:b", "password:nobody")]
    assert again == [1, 1, 2, 2]


def test_what_was_right_is_as_if_it_had_not_been_unless_the_key_is_full(database, attempts, reserve):
    def give_back():
        with database.transaction() as session:
            attempts.give_back(session, "password:alice", unless_full=True)

    for _ in range(3):
        assert reserve().number == 1
        give_back()
    for _ in range(MOST):
        reserve()
    give_back()

    assert not reserve().is_allowed


def test_an_attempt_that_nobody_looked_at_is_given_back_and_never_below_none(database, attempts, reserve):
    with database.transaction() as session:
        attempts.give_back(session, "password:alice")
    reserve()
    for _ in range(3):
        with database.transaction() as session:
            attempts.give_back(session, "password:alice")
    assert reserve().number == 1
