import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureapi.security import process_storage
from secureapi.security.process_storage import ProcessStorage


@pytest.fixture
def clock(monkeypatch):
    """`clock.now` in seconds; the storage looks at nothing else."""
    frozen = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(process_storage, "time", SimpleNamespace(time=lambda: frozen.now))
    return frozen


def hits(storage, times, key="k", limit=5, expiry=60):
    return sum(storage.acquire_entry(key, limit, expiry) for _ in range(times))


def test_a_window_takes_so_many_and_no_more(clock):
    storage = ProcessStorage()
    assert hits(storage, 20) == 5
    assert storage.get_moving_window("k", 5, 60) == (1000.0, 5)


def test_an_entry_leaves_the_window_when_its_time_is_over(clock):
    storage = ProcessStorage()
    hits(storage, 3)
    clock.now += 30
    hits(storage, 2)
    clock.now += 29.9
    assert hits(storage, 5) == 0
    clock.now += 0.1
    assert hits(storage, 5) == 3


@given(st.lists(st.floats(0, 30), min_size=1, max_size=80), st.integers(1, 6))
def test_no_window_wherever_it_begins_holds_more_than_the_limit(clock, pauses, limit):
    storage, accepted = ProcessStorage(), []
    for pause in pauses:
        clock.now += pause
        if storage.acquire_entry("k", limit, 60):
            accepted.append(clock.now)
    assert all(sum(start <= moment < start + 60 for moment in accepted) <= limit for start in accepted)
    assert accepted


def test_a_refused_request_does_not_prolong_the_wait(clock):
    storage = ProcessStorage()
    hits(storage, 5)
    for _ in range(59):
        clock.now += 1
        assert hits(storage, 1) == 0
    clock.now += 1
    assert hits(storage, 1) == 1


def test_an_amount_is_taken_whole_or_not_at_all(clock):
    storage = ProcessStorage()
    assert storage.acquire_entry("k", 5, 60, amount=3)
    assert not storage.acquire_entry("k", 5, 60, amount=3)
    assert storage.acquire_entry("k", 5, 60, amount=2)
    assert not storage.acquire_entry("other", 5, 60, amount=6)


def test_a_stranger_with_a_million_addresses_fills_no_memory(clock, monkeypatch):
    monkeypatch.setattr(process_storage, "_MOST_KEYS", 100)
    storage = ProcessStorage()
    for n in range(10_000):
        hits(storage, 1, key=f"address-{n}")
        clock.now += 0.001
    assert len(storage._windows) <= 100


def test_what_is_over_is_forgotten_by_the_way(clock):
    storage = ProcessStorage()
    for n in range(1000):
        hits(storage, 1, key=f"old-{n}")
    clock.now += 61
    hits(storage, 300, key="new", limit=1000)
    assert list(storage._windows) == ["new"]


def test_a_key_that_is_still_used_is_not_forgotten(clock, monkeypatch):
    monkeypatch.setattr(process_storage, "_MOST_KEYS", 10)
    storage = ProcessStorage()
    for n in range(9):
        hits(storage, 1, key=f"once-{n}")
    for n in range(100):
        hits(storage, 1, key="often", limit=1000)
        hits(storage, 1, key=f"passing-{n}")
    assert storage.get("often") == 100


def test_sixteen_threads_get_no_more_than_one(clock):
    storage, accepted, barrier = ProcessStorage(), [], threading.Barrier(16)

    def rush():
        barrier.wait()
        accepted.append(hits(storage, 50, limit=77))

    threads = [threading.Thread(target=rush) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(accepted) == 77


def test_it_can_be_emptied(clock):
    storage = ProcessStorage()
    hits(storage, 5, key="a")
    hits(storage, 5, key="b")
    storage.clear("a")
    assert (hits(storage, 1, key="a"), hits(storage, 1, key="b")) == (1, 0)
    assert storage.reset() == 2
    assert hits(storage, 1, key="b") == 1


def test_another_strategy_is_refused_rather_than_counted_wrongly():
    with pytest.raises(ValueError, match="moving windows"):
        ProcessStorage().incr("k", 60)
