import threading

import pytest

from secureapi.auth import marks as module
from secureapi.auth.marks import Marks
from secureapi.core.errors import Unavailable
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


class Closed:
    """A store that is away until somebody opens it; it tells when somebody waits."""

    def __init__(self):
        self.open = threading.Event()
        self.asked = threading.Semaphore(0)

    def run(self, script, keys, args, *, insist=False):
        self.asked.release()
        if not self.open.is_set():
            raise RedisAway


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0)


def test_a_mark_is_written_at_once_when_redis_is_there():
    store = Sluggish(away_for=0)
    Marks(store, copies_live_seconds=30, most_held=1).write(END, ("a",), ())
    assert (store.written, store.tries) == ([("a",)], 1)


def test_the_answer_is_held_until_the_mark_is_written():
    store = Sluggish(away_for=50)
    Marks(store, copies_live_seconds=30, most_held=1).write(END, ("a",), ())
    assert store.written == [("a",)]


def test_the_answer_is_held_until_no_copy_can_be_left(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    store = Sluggish(away_for=10**9)
    Marks(store, copies_live_seconds=10, most_held=1).write(END, ("a",), ())
    assert store.written == []
    assert next(now) > 10 + module._MARGIN_SECONDS


def test_only_so_many_answers_are_held_and_the_others_are_refused():
    store = Closed()
    marks = Marks(store, copies_live_seconds=30, most_held=2)
    held = [threading.Thread(target=marks.write, args=(END, (name,), ())) for name in "ab"]
    for thread in held:
        thread.start()
    for _ in range(200):
        assert store.asked.acquire(timeout=10)
    assert not marks._places.acquire(timeout=0.01)
    with pytest.raises(Unavailable) as refused:
        marks.write(END, ("c",), ())
    assert refused.value.retry_after == 30
    store.open.set()
    for thread in held:
        thread.join(10)
        assert not thread.is_alive()
    marks.write(END, ("d",), ())


def test_a_place_is_free_again_afterwards():
    store = Sluggish(away_for=1)
    marks = Marks(store, copies_live_seconds=30, most_held=1)
    for name in "abc":
        store.tries = 0
        marks.write(END, (name,), ())
    assert store.written == [("a",), ("b",), ("c",)]
