"""Ids that no key has: strangers drink from a bucket of their own."""

import threading
from types import SimpleNamespace

import pytest

from secureapi.auth.keys import bucket
from secureapi.auth.keys import ring as module
from secureapi.auth.keys.bucket import TokenBucket
from secureapi.core.errors import Unavailable
from support.key_rows import made_up


class TestStrangers:
    def test_a_thousand_words_that_are_no_ids_never_reach_the_database(self, ring_with, loads):
        ring = ring_with()
        ring.signing_key()
        loads.clear()
        for word in (
            "",
            "x",
            "x" * 42,
            "x" * 44,
            "../" * 14 + "x",
            "x" * 42 + "=",
            "hs256-zz",
            "hs256-" + "0" * 17,
            "é" * 43,
            "x" * 42 + "\n",
        ):
            for _ in range(100):
                assert ring.find(word) is None
        assert loads == []

    def test_a_thousand_well_formed_ids_send_us_there_twenty_times_and_ten_a_second(self, ring_with, loads, later):
        ring = ring_with()
        ring.signing_key()
        later(0)
        loads.clear()
        for n in range(1000):
            assert ring.find(made_up(n)) is None
        # A slow machine may need a second for a thousand.
        assert 20 <= len(loads) <= 40
        loads.clear()
        later(0.55)
        for n in range(10):
            ring.find(made_up(n))
        assert 5 <= len(loads) <= 10

    def test_with_an_empty_bucket_nothing_is_called_wrong_while_the_database_is_away(self, ring_with, away):
        ring = ring_with()
        ring.signing_key()
        ring._strangers = TokenBucket(capacity=0, per_second=0)
        assert ring.find(made_up(1)) is None
        away()
        with pytest.raises(Unavailable):
            ring.reload()
        with pytest.raises(Unavailable):
            ring.find(made_up(1))

    def test_those_who_come_together_are_looked_for_together(self, ring_with, loads, monkeypatch):
        """Whoever looked after we came has looked for us too."""
        ring = ring_with()
        ring.signing_key()
        loads.clear()
        together, waiting, everybody = 8, [], threading.Event()
        real = ring._looking

        class Queue:
            """The lock, opened only when everybody stands before it."""

            def acquire(self, timeout):
                waiting.append(1)
                if len(waiting) == together:
                    everybody.set()
                assert everybody.wait(30)
                return real.acquire(timeout=30)

            def release(self):
                real.release()

        ring._looking = Queue()
        threads = [threading.Thread(target=ring.find, args=(made_up(n),)) for n in range(together)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(loads) == 1

    def test_nobody_waits_for_ever_behind_a_database_that_hangs(self, ring_with, monkeypatch):
        ring = ring_with()
        ring.signing_key()
        monkeypatch.setattr(module, "_STRANGERS_PATIENCE_SECONDS", 0.01)
        with ring._looking, pytest.raises(Unavailable):
            ring.find(made_up(1))

    def test_a_bucket_is_never_fuller_than_full(self, monkeypatch):
        now = SimpleNamespace(at=100.0)
        monkeypatch.setattr(bucket, "time", SimpleNamespace(monotonic=lambda: now.at))
        some = TokenBucket(capacity=3, per_second=2)
        assert [some.take() for _ in range(4)] == [True, True, True, False]
        now.at += 0.5
        assert [some.take(), some.take()] == [True, False]
        now.at += 3600
        assert [some.take() for _ in range(4)] == [True, True, True, False]
