"""What one worker knows of the signing keys: how it learns of them, and when it forgets."""

import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import delete

from secureapi.auth.keys import ring as module
from secureapi.auth.keys import vault
from secureapi.core.errors import Unavailable
from support.key_rows import BEGINNING, KEYS, change, made_up, rows


class TestLearning:
    def test_a_key_that_another_worker_has_just_made_is_found_at_once(self, ring_with):
        other, mine = ring_with(jwt_algorithm="EdDSA"), ring_with()
        mine.signing_key()
        assert mine.find(other.signing_key().kid).algorithm == "EdDSA"

    def test_a_key_that_is_known_costs_no_look_for_eight_seconds(self, ring_with, loads, later):
        ring = ring_with()
        kid = ring.signing_key().kid
        loads.clear()
        later(module._REFRESH_SECONDS - 1)
        for _ in range(50):
            ring.find(kid)
            ring.signing_key()
            ring.published()
        assert loads == []
        later(2)
        for _ in range(50):
            ring.find(kid)
            ring.signing_key()
            ring.published()
        assert len(loads) == 1

    def test_one_request_looks_and_the_others_do_not_wait_for_it(self, ring_with, loads, later):
        ring = ring_with()
        kid = ring.signing_key().kid
        loads.clear()
        later(module._REFRESH_SECONDS + 0.1)
        with ring._looking:  # somebody is looking at this moment, and takes long
            assert ring.find(kid).kid == kid
        assert loads == []

    def test_what_is_ten_seconds_old_is_not_believed_while_somebody_looks(self, ring_with, database, later, monkeypatch):
        """A worker that was idle for an hour: the second request must not be answered from before that hour."""
        ring = ring_with()
        kid = ring.signing_key().kid
        change(database, phase="retired")
        later(3600)
        monkeypatch.setattr(module, "_PATIENCE_SECONDS", 30)
        second, is_asking = [], threading.Event()

        def ask():
            is_asking.set()
            second.append(ring.find(kid))

        thread = threading.Thread(target=ask)
        with ring._looking:
            thread.start()
            is_asking.wait(10)
            ring._load()
        thread.join()
        assert second == [None]

    def test_nothing_is_decrypted_twice(self, ring_with, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        opened = []
        real = vault.load_der_private_key
        monkeypatch.setattr(vault, "load_der_private_key", lambda *a: opened.append(1) or real(*a))
        for _ in range(5):
            later(11)
            assert ring.find(kid)
        assert opened == []

    def test_a_key_that_was_retired_is_forgotten_within_ten_seconds(self, ring_with, database, later):
        ring = ring_with()
        kid = ring.signing_key().kid
        change(database, phase="retired")
        later(10)
        assert ring.find(kid) is None
        assert ring.signing_key().kid != kid
        assert kid not in ring._vault._opened, "its private half must not lie about"

    @pytest.mark.parametrize(
        ("phase", "is_found", "signs"),
        [("next", True, False), ("active", True, True), ("retiring", True, False), ("retired", False, False)],
    )
    def test_a_key_signs_while_it_is_active_and_verifies_until_it_is_retired(self, ring_with, database, phase, is_found, signs):
        kid = ring_with().signing_key().kid
        with database.writing() as connection:
            connection.execute(delete(KEYS).where(KEYS.c.phase == "next"))
        change(database, phase=phase)
        ring = ring_with()
        assert (ring.find(kid) is not None) == is_found
        ring._refresh()
        assert (ring._signing is not None) == signs

    def test_a_retiring_key_is_over_to_the_second_though_nobody_has_retired_it(self, ring_with, database, clock, loads):
        ring = ring_with()
        kid = ring.signing_key().kid
        change(database, kid, phase="retiring", verifies_until=BEGINNING + timedelta(hours=24))
        ring.reload()
        loads.clear()
        clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
        assert ring.find(kid).kid == kid
        clock.advance(timedelta(microseconds=1))
        assert ring.find(kid) is None
        assert loads == [], "from memory, at every look"
        assert rows(database, "retiring")

    def test_what_is_known_is_good_while_the_database_is_away(self, ring_with, away, later):
        """A token that was good a minute ago must not be refused as wrong because somebody pulled a cable."""
        ring = ring_with()
        kid = ring.signing_key().kid
        published = ring.published()
        away()
        for _ in range(5):
            later(60)
            assert ring.find(kid).kid == kid
            assert ring.signing_key().kid == kid
            assert ring.published() == published
        with pytest.raises(Unavailable):
            ring.find(made_up(1))

    def test_a_database_that_is_away_is_not_asked_by_every_request(self, ring_with, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        asked = []

        def gone(_repository):
            asked.append(1)
            raise Unavailable

        monkeypatch.setattr(module.KeyRepository, "list_usable", gone)
        later(60)
        for _ in range(100):
            ring.find(kid)
        assert len(asked) == 1

    def test_a_worker_that_has_seen_nothing_yet_says_so(self, ring_with, away):
        away()
        ring = ring_with()
        for question in (ring.signing_key, ring.published, lambda: ring.find(made_up(1))):
            with pytest.raises(Unavailable):
                question()


class TestCareInTheBackground:
    def test_what_is_due_is_done_in_one_thread_that_nobody_waits_for(self, ring_with, clock, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        began, may_end = threading.Event(), threading.Event()
        runs = []
        real = ring.maintain

        def slowly(client):
            runs.append(client.user_agent)
            began.set()
            assert may_end.wait(30)
            real(client)

        monkeypatch.setattr(ring, "maintain", slowly)
        clock.advance(timedelta(days=90))
        for _ in range(10):
            later(61)
            assert ring.find(kid).kid == kid, "while the thread is busy"
            assert began.wait(30)
        assert runs == ["signing keys"]
        may_end.set()
        with ring._caring:  # the thread lets go of it at its end
            pass
        assert ring.signing_key().kid != kid

    def test_nothing_is_started_where_nothing_is_due(self, ring_with, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        monkeypatch.setattr(module.threading, "Thread", None)
        for _ in range(3):
            later(61)
            assert ring.find(kid)

    def test_a_failure_is_logged_and_tried_again_after_a_minute(self, ring_with, clock, later, monkeypatch):
        ring = ring_with()
        kid = ring.signing_key().kid
        said, tries = [], []
        monkeypatch.setattr(module, "_log", SimpleNamespace(warning=lambda event, **about: said.append((event, about["reason"]))))

        def fail(client):
            tries.append(1)
            raise ValueError("no such thing")

        monkeypatch.setattr(ring, "maintain", fail)
        clock.advance(timedelta(days=90))

        def ask():
            assert ring.find(kid)
            with ring._caring:
                pass

        later(61)
        ask()
        later(20)
        ask()
        assert len(tries) == 1
        later(61)
        ask()
        assert len(tries) == 2
        assert said == [("keys.maintenance_failed", "ValueError")] * 2
