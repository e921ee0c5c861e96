import threading
from types import SimpleNamespace

import pytest
import structlog

from secureapi.core.errors import Unavailable
from secureapi.security import degradation as module
from secureapi.security.degradation import Degradation
from secureapi.security.trail import Trail


@pytest.fixture
def at(monkeypatch):
    """The monotonic clock; `at.seconds` moves it."""
    moment = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: moment.seconds))
    return moment


@pytest.fixture
def gauge():
    return []


@pytest.fixture
def degradation(database, clock, at, gauge):
    metrics = SimpleNamespace(limits_are=lambda *, shared: gauge.append(shared))
    return Degradation(database=database, trail=Trail(clock), metrics=metrics)


@pytest.fixture
def told(database):
    """`told()`: what the trail says, oldest first."""

    def read():
        with database.reading() as connection:
            return [name.rpartition(".")[2] for (name,) in connection.exec_driver_sql("SELECT type FROM audit_events ORDER BY id")]

    return read


def test_as_long_as_all_is_well_nothing_is_said(degradation, told, gauge):
    for _ in range(3):
        degradation.look(is_away=False)
    assert (told(), gauge) == ([], [])


def test_an_outage_is_told_once_and_its_end_once(degradation, told, gauge, at):
    with structlog.testing.capture_logs() as lines:
        for is_away in (True, True, True, False, False):
            degradation.look(is_away=is_away)
            at.seconds += 1
    assert told() == ["degraded", "restored"]
    assert gauge == [False, True]
    assert [line["event"] for line in lines] == ["limits.degraded", "limits.restored"]


def test_it_says_which_process_and_blames_no_client(degradation, database):
    degradation.look(is_away=True)
    with database.reading() as connection:
        row = connection.exec_driver_sql("SELECT address, user_agent, actor_id, details FROM audit_events").one()
    assert (row.address, row.user_agent, row.actor_id) == ("", "limits", None)
    assert '"process"' in row.details
    assert '"host"' in row.details


def test_a_redis_that_comes_and_goes_tells_one_pair_a_minute(degradation, told, at, gauge):
    for second in range(120):
        degradation.look(is_away=second % 2 == 0)
        at.seconds += 1
    assert told() == ["degraded", "restored"] * 2
    assert len(gauge) == 120


def test_an_outage_that_was_kept_quiet_is_told_when_it_lasts(degradation, told, at):
    for is_away in (True, False, True):
        degradation.look(is_away=is_away)
    assert told() == ["degraded", "restored"]
    at.seconds += 61
    degradation.look(is_away=True)
    assert told() == ["degraded", "restored", "degraded"]


class TestWithoutADatabase:
    @pytest.fixture
    def tries(self, degradation, database, monkeypatch):
        """How often the database was asked in vain; `monkeypatch.undo()` brings it back."""
        asked = []

        def away():
            asked.append(1)
            raise Unavailable

        monkeypatch.setattr(database, "writing", away)
        return asked

    def test_nobody_waits_for_it_again_and_again(self, degradation, tries, at, gauge):
        for _ in range(40):
            degradation.look(is_away=True)
            at.seconds += 0.5
        assert len(tries) == 4
        assert gauge == [False]

    def test_it_is_told_later(self, degradation, told, tries, at, monkeypatch):
        degradation.look(is_away=True)
        monkeypatch.undo()
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: at.seconds + 10))
        degradation.look(is_away=True)
        assert told() == ["degraded"]

    def test_the_end_of_an_outage_nobody_was_told_of_is_not_told(self, degradation, told, tries, at, monkeypatch):
        degradation.look(is_away=True)
        monkeypatch.undo()
        degradation.look(is_away=False)
        assert told() == []


def test_of_many_threads_one_tells_and_nobody_waits_for_it(degradation, database, told, monkeypatch):
    writing, in_it, go_on, waited = database.writing, threading.Event(), threading.Event(), []

    def slow():
        in_it.set()
        assert go_on.wait(10)
        return writing()

    monkeypatch.setattr(database, "writing", slow)
    first = threading.Thread(target=degradation.look, kwargs={"is_away": True})
    first.start()
    assert in_it.wait(10)
    others = [threading.Thread(target=lambda: waited.append(degradation.look(is_away=True))) for _ in range(15)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(10)
    assert len(waited) == 15
    go_on.set()
    first.join(10)
    assert told() == ["degraded"]
