"""Who is wrong again and again waits, and only so many at a time. Nobody sleeps here: the test hands in the sleeping."""

import threading

import pytest

from secureapi.security.attempts import Attempt
from secureapi.security.delays import Delays
from secureapi.security.errors import HashingBusy


class Sleeper:
    """In place of time: notes how long somebody wanted to sleep."""

    def __init__(self):
        self.slept = []
        self.now = 100.0

    def sleep(self, seconds):
        self.slept.append(seconds)

    def timer(self):
        return self.now


@pytest.fixture
def sleeper():
    return Sleeper()


def delays(sleeper, first=0.5, most_waiting=3):
    return Delays(first=lambda: first, most_waiting=most_waiting, sleep=sleeper.sleep, timer=sleeper.timer)


def test_two_are_free_and_each_further_one_waits_twice_as_long_until_the_lock(sleeper):
    ours = delays(sleeper)

    for number in range(1, 10):
        ours.hold(Attempt(number, most=6))

    assert sleeper.slept == [0.5, 1.0, 2.0, 4.0]


def test_without_a_delay_in_the_settings_nobody_waits(sleeper):
    for number in range(1, 6):
        delays(sleeper, first=0.0, most_waiting=0).hold(Attempt(number, most=5))

    assert sleeper.slept == []


def test_nobody_waits_longer_than_a_proxy_would(sleeper):
    ours = delays(sleeper, first=10.0)

    for number in (3, 4, 5, 50, 100):
        ours.hold(Attempt(number, most=100))

    assert sleeper.slept == [10.0, 20.0, 20.0, 20.0, 20.0]


def test_whoever_finds_no_place_is_told_when_there_will_be_one():
    sleeper, waiting, go_on = Sleeper(), threading.Barrier(3), threading.Event()

    def sleep(_seconds):
        waiting.wait(timeout=30)
        go_on.wait(timeout=30)

    sleeper.sleep = sleep
    ours = delays(sleeper, first=4.0)
    threads = [threading.Thread(target=ours.hold, args=(Attempt(number, most=5),), kwargs={"is_known": False}) for number in (3, 4)]
    for thread in threads:
        thread.start()
    waiting.wait(timeout=30)
    try:
        sleeper.now += 1.5
        with pytest.raises(HashingBusy) as busy:
            ours.hold(Attempt(3, most=5))
        assert busy.value.retry_after == 2.5
        # Neither who need not wait, nor who is locked out anyway, needs a place.
        ours.hold(Attempt(2, most=5))
        ours.hold(Attempt(6, most=5))
    finally:
        go_on.set()
        for thread in threads:
            thread.join()

    go_on, waiting = threading.Event(), threading.Barrier(1)
    go_on.set()
    ours.hold(Attempt(3, most=5))


def test_strangers_have_all_places_but_one_which_is_for_somebody_who_is_known():
    sleeper, waiting, go_on = Sleeper(), threading.Semaphore(0), threading.Event()

    def sleep(_seconds):
        waiting.release()
        assert go_on.wait(timeout=30)

    sleeper.sleep = sleep
    ours = delays(sleeper, first=4.0, most_waiting=3)
    threads = [threading.Thread(target=ours.hold, args=(Attempt(3, most=5),), kwargs={"is_known": known}) for known in (False, False, True)]
    try:
        for thread in threads:
            thread.start()
            assert waiting.acquire(timeout=30), "the known one finds a place beside the two strangers"
        for is_known in (False, True):
            with pytest.raises(HashingBusy):
                ours.hold(Attempt(3, most=5), is_known=is_known)
    finally:
        go_on.set()
        for thread in threads:
            thread.join()
    assert ours._ends == {}


def test_a_place_is_free_again_after_the_wait_even_when_it_was_broken_off(sleeper):
    ours = delays(sleeper, most_waiting=1)

    def broken(_seconds):
        raise KeyboardInterrupt

    sleeper.sleep, calm = broken, sleeper.sleep
    broken_off = delays(sleeper, most_waiting=1)
    with pytest.raises(KeyboardInterrupt):
        broken_off.hold(Attempt(3, most=5))
    with pytest.raises(KeyboardInterrupt):
        broken_off.hold(Attempt(3, most=5))
    sleeper.sleep = calm

    for _ in range(3):
        ours.hold(Attempt(3, most=5))
    assert sleeper.slept == [0.5] * 3
