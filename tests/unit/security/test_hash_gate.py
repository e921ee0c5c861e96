import contextlib
import os
import sys
import threading
from functools import partial

import pytest

from secureapi.security.errors import HashingBusy
from secureapi.security.passwords.gate import HashGate
from support.each import each
from support.processes import until
from support.races import together


class Door:
    """Work that lasts until it is let go, and tells when it has begun."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, answer="done"):
        self.begun.release()
        assert self.open.wait(30)
        return answer


def gate(workers=1, most_waiting=1, patience=30.0, niceness=0):
    return HashGate(workers=workers, most_waiting=most_waiting, patience=patience, niceness=niceness)


def started(run, *args):
    outcome = []

    def inside():
        try:
            outcome.append(run(*args))
        except HashingBusy as busy:
            outcome.append(busy)

    thread = threading.Thread(target=inside)
    thread.start()
    return thread, outcome


def test_the_result_comes_back_and_so_does_what_was_raised():
    assert gate().run(lambda a, b: a + b, 2, 3) == 5
    with pytest.raises(ZeroDivisionError):
        gate().run(lambda: 1 / 0)


def test_no_more_than_so_many_are_hashed_at_a_time():
    door, closed = Door(), gate(workers=2, most_waiting=10)
    threads = [started(closed.run, door) for _ in range(6)]
    for _ in range(2):
        assert door.begun.acquire(timeout=10)
    assert not door.begun.acquire(timeout=0.1)
    door.open.set()
    for thread, outcome in threads:
        thread.join(10)
        assert outcome == ["done"]


def inside(closed):
    return sum(closed._inside.values())


@contextlib.contextmanager
def occupied(closed, *comers):
    """While its one thread is busy somebody comes after the other, `(run, *args)` each. Their outcomes, which are there afterwards."""
    door, outcomes = Door(), []
    first = started(closed.run, door)
    assert door.begun.acquire(timeout=10)
    threads = [first[0]]
    for number, comer in enumerate(comers, start=2):
        thread, outcome = started(*comer)
        threads.append(thread)
        outcomes.append(outcome)
        until(lambda number=number: inside(closed) == number)
    try:
        yield outcomes
    finally:
        door.open.set()
        for thread in threads:
            thread.join(10)
    assert first[1] == ["done"]
    assert inside(closed) == 0
    assert not closed._of_account


def known(closed, whose):
    return partial(closed.run, whose=whose)


def test_a_stranger_who_comes_to_a_full_queue_is_told_at_once_how_long_it_will_take():
    closed = gate(workers=1, most_waiting=3)
    closed._seconds = 4.0
    with occupied(closed, (closed.run, str), (closed.run, str)) as outcomes:
        assert closed.is_full
        with pytest.raises(HashingBusy) as busy:
            closed.run(str)
        assert busy.value.retry_after == pytest.approx(12.0)
        with pytest.raises(HashingBusy):
            closed.refuse_strangers_if_full()
    assert outcomes == [[""], [""]]
    assert not closed.is_full
    closed.refuse_strangers_if_full()


def test_strangers_never_fill_every_place_and_known_ones_may():
    closed = gate(workers=1, most_waiting=7)
    closed._seconds = 4.0
    strangers = [(closed.run, str)] * 5
    owners = [(known(closed, f"owner-{number}"), str) for number in range(2)]
    with occupied(closed, *strangers, *owners) as outcomes:
        for _ in range(3):
            with pytest.raises(HashingBusy):
                closed.run(str)
        with pytest.raises(HashingBusy) as busy:
            known(closed, "one too many")(str)
        assert busy.value.retry_after == pytest.approx(12.0), "the two before him, and the one whose turn it is"
    assert outcomes == [[""]] * 7


@each(("workers", "most_waiting", "strangers"), [(1, 0, 1), (1, 1, 1), (1, 2, 2), (1, 13, 11), (2, 12, 11), (8, 2, 8)])
def test_a_quarter_of_the_places_is_kept_for_known_ones_and_strangers_always_have_one(workers, most_waiting, strangers):
    assert gate(workers, most_waiting)._most_strangers == strangers


def test_known_ones_go_first_and_of_one_rank_whoever_came_first():
    closed, done = gate(workers=1, most_waiting=20), []
    comers = [(closed.run, done.append, "stranger 1"), (closed.run, done.append, "stranger 2")]
    comers += [(known(closed, f"owner-{number}"), done.append, f"owner {number}") for number in (1, 2)]
    with occupied(closed, *comers):
        assert done == []
    assert done == ["owner 1", "owner 2", "stranger 1", "stranger 2"]


def test_every_fourth_turn_goes_to_whoever_waits_longest():
    """Or a crowd of known ones, however they got known, would keep strangers out for ever."""
    closed, done = gate(workers=1, most_waiting=30), []
    comers = [(closed.run, done.append, f"s{number}") for number in range(2)]
    comers += [(known(closed, f"owner-{number}"), done.append, f"o{number}") for number in range(8)]
    with occupied(closed, *comers):
        pass
    assert done == ["o0", "o1", "o2", "s0", "o3", "o4", "o5", "s1", "o6", "o7"]


def test_one_account_takes_two_places_before_strangers_and_no_more():
    closed, done = gate(workers=1, most_waiting=20), []
    comers = [(closed.run, done.append, "stranger")]
    comers += [(known(closed, "mallory"), done.append, f"mallory {number}") for number in (1, 2, 3)]
    comers += [(known(closed, "owner"), done.append, "owner")]
    with occupied(closed, *comers):
        pass
    assert done == ["mallory 1", "mallory 2", "owner", "stranger", "mallory 3"]


def test_whoever_has_waited_too_long_gives_up_and_his_work_is_not_done_later():
    for whose in ("", "owner"):
        door, closed, done = Door(), gate(workers=1, most_waiting=5), []
        first, outcome = started(closed.run, door)
        assert door.begun.acquire(timeout=10)
        closed._patience = 0.01
        with pytest.raises(HashingBusy):
            closed.run(done.append, "late", whose=whose)
        assert not closed._waiting[bool(whose)], "nothing is kept of him"
        closed._patience = 30.0
        second = started(closed.run, done.append, "next")
        until(lambda closed=closed: inside(closed) == 2)
        door.open.set()
        for thread in (first, second[0]):
            thread.join(10)
        assert (outcome, done) == (["done"], ["next"])
        assert inside(closed) == 0


def test_the_place_of_somebody_who_gave_up_is_taken_until_his_work_is_done():
    door, closed = Door(), gate(workers=1, most_waiting=0, patience=0.01)
    with pytest.raises(HashingBusy):
        closed.run(door)
    assert door.begun.acquire(timeout=10)
    assert inside(closed) == 1
    with pytest.raises(HashingBusy):
        closed.run(str)
    door.open.set()
    until(lambda: inside(closed) == 0)


def test_many_of_both_ranks_at_once_all_come_through_and_leave_nothing_behind():
    closed = gate(workers=3, most_waiting=200)
    calls = [partial(closed.run, str, number, whose=f"{number % 7}" if number % 3 else "") for number in range(60)]

    assert together(calls) == [str(number) for number in range(60)]

    assert inside(closed) == 0
    assert not any(closed._waiting.values())
    assert not closed._of_account


def test_a_place_is_free_again_after_a_failure():
    closed = gate(workers=1, most_waiting=0)
    for _ in range(5):
        with pytest.raises(ValueError, match="wrong"):
            closed.run(_fail)
    assert closed.run(lambda: "in") == "in"


def _fail():
    raise ValueError("wrong")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities for single threads")
def test_hashing_stands_behind_everybody_else_and_nobody_else_does():
    behind = gate(niceness=7)
    assert behind.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())) == os.getpriority(os.PRIO_PROCESS, 0) + 7
    assert gate(niceness=0).run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())) == os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn forks, where it can")
def test_a_process_that_was_forked_has_threads_of_its_own(monkeypatch):
    closed = gate(workers=1, most_waiting=2)
    assert closed.run(os.getpid) == os.getpid()
    before = closed._pool
    with closed._lock:
        closed._inside[False], closed._inside[True] = 2, 1
    assert closed.is_full
    monkeypatch.setattr("secureapi.security.passwords.gate.os.getpid", lambda: -1)
    assert not closed.is_full, "whoever waits in the parent does not wait here"
    assert closed.run(lambda: "in the child") == "in the child"
    assert closed._pool is not before
