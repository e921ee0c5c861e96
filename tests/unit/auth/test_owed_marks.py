import threading

import pytest

from secureapi.auth import owed_marks
from secureapi.auth.owed_marks import OwedMarks
from secureapi.core.redis import RedisAway, Script

END = Script("return 'end'")


class Sluggish:
    """A store that is away for the first so many tries."""

    def __init__(self, away_for):
        self.away_for = away_for
        self.tries = 0
        self.written = []

    def run(self, script, keys, args, *, insist=False):
        assert insist, "a mark is tried even while Redis rests"
        self.tries += 1
        if self.tries <= self.away_for:
            raise RedisAway
        self.written.append(keys)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(owed_marks, "_PAUSE_SECONDS", 0)


def everything_paid():
    for thread in threading.enumerate():
        if thread.name == "owed-marks":
            thread.join(10)
            assert not thread.is_alive()


def test_a_mark_is_written_before_anybody_is_answered_when_redis_is_there():
    store = Sluggish(away_for=0)
    OwedMarks(store, copies_live_seconds=30).write(END, ("a",), ())
    assert store.written == [("a",)]
    assert not [thread for thread in threading.enumerate() if thread.name == "owed-marks"]


def test_a_mark_that_could_not_be_written_is_written_as_soon_as_redis_is_back():
    store = Sluggish(away_for=50)
    OwedMarks(store, copies_live_seconds=30).write(END, ("a",), ())
    everything_paid()
    assert store.written == [("a",)]


def test_every_mark_is_written_in_the_end():
    store = Sluggish(away_for=50)
    marks = OwedMarks(store, copies_live_seconds=30)
    for name in "abc":
        marks.write(END, (name,), ())
    everything_paid()
    assert sorted(store.written) == [("a",), ("b",), ("c",)]


def test_a_mark_that_no_copy_can_outlive_is_forgotten():
    store = Sluggish(away_for=10**9)
    OwedMarks(store, copies_live_seconds=-1).write(END, ("a",), ())
    everything_paid()
    assert store.written == []


def test_after_everything_is_paid_new_debts_are_paid_too():
    store = Sluggish(away_for=5)
    marks = OwedMarks(store, copies_live_seconds=30)
    marks.write(END, ("a",), ())
    everything_paid()
    store.tries = 0
    marks.write(END, ("b",), ())
    everything_paid()
    assert store.written == [("a",), ("b",)]


def test_many_threads_lose_no_mark():
    store = Sluggish(away_for=200)
    marks = OwedMarks(store, copies_live_seconds=30)
    threads = [threading.Thread(target=marks.write, args=(END, (f"k{n}",), ())) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything_paid()
    assert {keys[0] for keys in store.written} == {f"k{n}" for n in range(40)}
