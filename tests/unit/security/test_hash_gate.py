import os
import sys
import threading

import pytest

from secureapi.security.errors import HashingBusy
from secureapi.security.passwords.gate import HashGate


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


def test_whoever_comes_to_a_full_queue_is_told_at_once_how_long_it_will_take():
    door, closed = Door(), gate(workers=1, most_waiting=2)
    closed._seconds = 4.0
    threads = [started(closed.run, door) for _ in range(3)]
    assert door.begun.acquire(timeout=10)
    while closed._inside < 3:
        threading.Event().wait(0.01)
    with pytest.raises(HashingBusy) as busy:
        closed.run(door)
    assert busy.value.retry_after == pytest.approx(12.0)
    door.open.set()
    for thread, outcome in threads:
        thread.join(10)
        assert outcome == ["done"]
    assert closed._inside == 0


def test_whoever_has_waited_too_long_gives_up_and_his_work_is_not_done_later():
    door, closed, done = Door(), gate(workers=1, most_waiting=5, patience=0.05), []
    patient = gate(workers=1, most_waiting=5)
    assert patient.run(lambda: "x") == "x"
    first, outcome = started(closed.run, door)
    assert door.begun.acquire(timeout=10)
    with pytest.raises(HashingBusy):
        closed.run(done.append, "late")
    door.open.set()
    first.join(10)
    assert outcome[0] == "done" or isinstance(outcome[0], HashingBusy), "he may have been too late himself"
    assert closed.run(lambda: "next") == "next"
    assert done == []
    assert closed._inside == 0


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
    closed = gate()
    assert closed.run(os.getpid) == os.getpid()
    before = closed._pool
    monkeypatch.setattr("secureapi.security.passwords.gate.os.getpid", lambda: -1)
    assert closed.run(lambda: "in the child") == "in the child"
    assert closed._pool is not before
