"""How answers of Redis are read. The scripts themselves run on a real Redis in the journeys."""

import time

from secureapi.auth.known_callers import COPY_SECONDS, KnownCallers, Sighting
from secureapi.core.identifiers import new_id
from secureapi.settings.values import Rate

ALICE, SESSION = new_id(), new_id()


class FakeStore:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self, answer=1):
        self.answer = answer
        self.asked = []
        self.failed_seconds_ago = float("inf")
        self.server = "run"

    def has_failed_within(self, seconds):
        return self.failed_seconds_ago < seconds

    def run(self, script, keys, args, *, insist=False):
        self.asked.append((script, keys, args, insist))
        return self.answer


def callers(most=60, seconds=60, answer=1):
    return KnownCallers(FakeStore(answer), lambda: Rate(most, seconds), most_held=1)


def answer(*, accepted=1, count=1, wait=60_000, copy=b"", mark=b"", epoch=b"e", now=1_000):
    return [accepted, count, wait, copy, mark, epoch, now]


SEEN = Sighting(None, has_ended=False, role=None, epoch="e1", seen_at=5_000, server="run")


def sighting(**told):
    return callers(answer=answer(**told)).look(ALICE, SESSION)


def copy_of(epoch="e", role="user", until=None, server="run"):
    return f"{role}|{time.time() + 100 if until is None else until}|{epoch}|{server}".encode()


def test_a_caller_whose_copy_is_good_is_known():
    seen = sighting(copy=copy_of())
    assert (seen.role, seen.has_ended) == ("user", False)


def test_a_copy_of_another_epoch_is_worth_nothing():
    """Role, password or status have changed since it was made."""
    assert sighting(copy=copy_of(epoch="e"), epoch=b"e1").role is None
    assert sighting(copy=copy_of(epoch="e0"), epoch=b"e1").role is None
    assert sighting(copy=copy_of(epoch="e0"), epoch=b"").role is None
    assert sighting(copy=copy_of(epoch="e1"), epoch=b"e1").role == "user"


def test_a_copy_that_another_run_of_redis_has_handed_down_is_worth_nothing():
    """A replica that took over, or a file from before: the mark that came after the copy may be missing."""
    assert sighting(copy=copy_of(server="run")).role == "user"
    assert sighting(copy=copy_of(server="another")).role is None


def test_where_redis_does_not_say_which_it_is_no_copy_is_believed():
    known = callers(answer=answer(copy=copy_of(server="")))
    known._store.server = ""
    assert known.look(ALICE, SESSION).role is None


def test_a_copy_does_not_outlive_its_session():
    assert sighting(copy=copy_of(until=time.time() - 1)).role is None


def test_after_a_failure_no_copy_is_believed_until_those_from_before_are_gone():
    """A mark may have been missed meanwhile."""
    known = callers(answer=answer(copy=copy_of()))
    known._store.failed_seconds_ago = COPY_SECONDS - 1
    assert known.look(ALICE, SESSION).role is None
    known._store.failed_seconds_ago = COPY_SECONDS
    assert known.look(ALICE, SESSION).role == "user"


def test_a_session_that_has_ended_costs_its_owner_nothing():
    assert sighting(accepted=0, count=0, mark=b"1").budget is None


def test_a_session_that_has_ended_is_not_let_in_by_its_copy():
    seen = sighting(copy=copy_of(), mark=b"1")
    assert (seen.has_ended, seen.role) == (True, None)


def test_without_a_copy_the_database_is_asked_under_the_present_epoch():
    seen = sighting(epoch=b"e1")
    assert (seen.role, seen.epoch, seen.has_ended) == (None, "e1", False)


def test_a_full_budget_is_read_as_one():
    seen = sighting(accepted=0, count=60, wait=1_500, copy=copy_of())
    assert (seen.budget.is_exceeded, seen.budget.remaining, seen.budget.resets_in) == (True, 0, 1.5)


def test_what_is_left_of_a_budget_is_told():
    budget = sighting(count=7, wait=12_000).budget
    assert (budget.is_exceeded, budget.remaining, budget.resets_in) == (False, 53, 12.0)


def test_a_budget_that_was_made_smaller_meanwhile_has_nothing_left():
    assert sighting(accepted=0, count=90, wait=1).budget.remaining == 0


def test_every_key_of_a_user_falls_into_one_slot_of_a_cluster():
    known = callers(answer=answer())
    known.look(ALICE, SESSION)
    known.keep(ALICE, SESSION, sighting=SEEN, role="user", until=1.0)
    known.end(ALICE, SESSION)
    known.change(ALICE)
    keys = [key for _, keys, _, _ in known._store.asked for key in keys]
    assert len(keys) == 11
    assert {key[key.index("{") : key.index("}") + 1] for key in keys} == {f"{{{ALICE}}}"}


def test_only_a_revocation_is_tried_while_redis_rests():
    known = callers(answer=answer())
    known.look(ALICE, SESSION)
    known.keep(ALICE, SESSION, sighting=SEEN, role="user", until=1.0)
    assert [insist for *_, insist in known._store.asked] == [False, False]
    known.end(ALICE, SESSION)
    known.change(ALICE)
    assert [insist for *_, insist in known._store.asked[2:]] == [True, True]


def test_what_is_kept_is_read_again():
    known = callers()
    known.keep(ALICE, SESSION, sighting=SEEN, role="moderator", until=time.time() + 100)
    _, _, (epoch, kept, dies_at, _), _ = known._store.asked[0]
    assert (epoch, dies_at) == ("e1", 5_000 + COPY_SECONDS * 1000)
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
