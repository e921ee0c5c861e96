"""The arithmetic of the budget, and how answers of Redis are read. The scripts themselves run on a real Redis in the journeys."""

import time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from secureapi.auth.known_callers import COPY_SECONDS, KnownCallers
from secureapi.core.identifiers import new_id
from secureapi.settings.values import Rate

ALICE, SESSION = new_id(), new_id()


class FakeStore:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self, answer=1):
        self.answer = answer
        self.asked = []

    def run(self, script, keys, args, *, insist=False):
        self.asked.append((script, keys, args, insist))
        return self.answer


def callers(most=60, seconds=60, answer=1):
    return KnownCallers(FakeStore(answer), Rate(most, seconds))


def weight(count, before, into_ms, window_ms):
    """What the window that slides over both counts holds at this moment."""
    return count + before * (1 - into_ms / window_ms)


_windows = st.tuples(
    st.integers(1, 1000),  # most
    st.sampled_from([1, 10, 60, 3600]),  # seconds
    st.integers(0, 1000),  # count
    st.integers(0, 1000),  # before
    st.floats(0, 0.999),  # how far into the window
)


@given(_windows)
@example((60, 60, 1, 0, 0.0))
@example((60, 60, 60, 0, 0.5))
def test_who_was_let_in_is_told_a_remainder_that_is_there(window):
    most, seconds, count, before, share = window
    into = int(seconds * 1000 * share)
    assume(1 <= count <= most and before <= most and weight(count - 1, before, into, seconds * 1000) < most)
    budget = callers(most, seconds)._budget(True, count, before, into)
    assert not budget.is_exceeded
    assert 0 <= budget.remaining <= most - 1
    assert weight(count, before, into, seconds * 1000) + budget.remaining <= most + 1
    assert 0 < budget.resets_in <= seconds


@given(_windows)
@example((1, 60, 1, 0, 0.0))
@example((1, 60, 1, 1, 0.5))
@example((1, 60, 0, 1, 0.0))
@example((60, 60, 60, 60, 0.999))
@example((60, 60, 60, 0, 0.0))
@example((60, 60, 0, 60, 0.0))
def test_who_waits_as_long_as_he_was_told_is_let_in(window):
    most, seconds, count, before, share = window
    length = seconds * 1000
    into = int(length * share)
    assume(count <= most and before <= most and weight(count, before, into, length) >= most)
    budget = callers(most, seconds)._budget(False, count, before, into)
    assert budget.is_exceeded
    assert budget.remaining == 0
    at = into + budget.resets_in * 1000 + 2  # Redis counts in whole milliseconds
    if at >= length:
        count, before, at = 0, count, at - length
    assert at < length, "never more than one window"
    assert weight(count, before, at, length) < most


@pytest.mark.parametrize(("most", "count", "before", "into", "seconds"), [(60, 60, 0, 0, 61), (60, 60, 0, 59_000, 2), (10, 5, 10, 0, 30), (60, 30, 60, 15_000, 15)])
def test_the_wait_is_what_is_really_left(most, count, before, into, seconds):
    assert callers(most)._budget(False, count, before, into).resets_in == pytest.approx(seconds, abs=1.01)


@given(_windows)
@example((1, 60, 1, 0, 0.0))
@example((2, 3600, 2, 0, 0.5))
def test_nobody_waits_for_longer_than_a_window(window):
    """Whoever asks no more than that has not asked at all for a whole window, in which even the last request slides out."""
    most, seconds, count, before, share = window
    into = int(seconds * 1000 * share)
    assume(count <= most and before <= most and weight(count, before, into, seconds * 1000) >= most)
    assert callers(most, seconds)._budget(False, count, before, into).resets_in <= seconds + 0.001


def answer(*, accepted=1, count=1, before=0, into=0, copy=b"", mark=b"", epoch=b""):
    return [accepted, count, before, into, copy, mark, epoch]


def sighting(**told):
    return callers(answer=answer(**told)).look(ALICE, SESSION)


def copy_of(epoch="", role="user", until=None):
    return f"{epoch}|{role}|{time.time() + 100 if until is None else until}".encode()


def test_a_caller_whose_copy_is_good_is_known():
    seen = sighting(copy=copy_of())
    assert (seen.role, seen.has_ended) == ("user", False)


def test_a_copy_of_another_epoch_is_worth_nothing():
    """Role, password or status have changed since it was made."""
    assert sighting(copy=copy_of(epoch=""), epoch=b"e1").role is None
    assert sighting(copy=copy_of(epoch="e0"), epoch=b"e1").role is None
    assert sighting(copy=copy_of(epoch="e0"), epoch=b"").role is None
    assert sighting(copy=copy_of(epoch="e1"), epoch=b"e1").role == "user"


def test_a_copy_does_not_outlive_its_session():
    assert sighting(copy=copy_of(until=time.time() - 1)).role is None


def test_a_session_that_has_ended_is_not_let_in_by_its_copy():
    seen = sighting(copy=copy_of(), mark=b"1")
    assert (seen.has_ended, seen.role) == (True, None)


def test_without_a_copy_the_database_is_asked_under_the_present_epoch():
    seen = sighting(epoch=b"e1")
    assert (seen.role, seen.epoch, seen.has_ended) == (None, "e1", False)


def test_a_full_budget_is_read_as_one():
    seen = sighting(accepted=0, count=60, into=59_000, copy=copy_of())
    assert seen.budget.is_exceeded


def test_every_key_of_a_user_falls_into_one_slot_of_a_cluster():
    known = callers(answer=answer())
    known.look(ALICE, SESSION)
    known.keep(ALICE, SESSION, epoch="", role="user", until=1.0)
    known.end(ALICE, SESSION)
    known.change(ALICE)
    keys = [key for _, keys, _, _ in known._store.asked for key in keys]
    assert len(keys) == 11
    assert {key[key.index("{") : key.index("}") + 1] for key in keys} == {f"{{{ALICE}}}"}


def test_only_a_revocation_is_tried_while_redis_rests():
    known = callers(answer=answer())
    known.look(ALICE, SESSION)
    known.keep(ALICE, SESSION, epoch="", role="user", until=1.0)
    assert [insist for *_, insist in known._store.asked] == [False, False]
    known.end(ALICE, SESSION)
    known.change(ALICE)
    assert [insist for *_, insist in known._store.asked[2:]] == [True, True]


def test_what_is_kept_is_read_again():
    known = callers()
    known.keep(ALICE, SESSION, epoch="e1", role="moderator", until=time.time() + 100)
    _, _, (epoch, kept, milliseconds), _ = known._store.asked[0]
    assert (epoch, milliseconds) == ("e1", COPY_SECONDS * 1000)
    assert sighting(copy=kept.encode(), epoch=b"e1").role == "moderator"


def test_a_mark_outlives_every_copy():
    known = callers()
    known.end(ALICE, SESSION)
    known.change(ALICE)
    assert known._store.asked[0][2][0] > COPY_SECONDS * 1000
    assert known._store.asked[1][2][1] > COPY_SECONDS * 1000


def test_each_change_has_an_epoch_of_its_own():
    known = callers()
    for _ in range(50):
        known.change(ALICE)
    assert len({args[0] for _, _, args, _ in known._store.asked}) == 50
