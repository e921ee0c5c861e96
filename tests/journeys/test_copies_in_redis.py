"""Copies and marks on a real Redis, step by step: a slow reader must not bring back what a revocation has just removed."""

import dataclasses

import pytest
from redis import Redis

from secureapi.auth.known_callers import COPY_SECONDS, KnownCallers
from secureapi.core.identifiers import new_id
from secureapi.core.redis import RedisStore
from secureapi.settings.values import Rate

FOREVER = 4_102_444_800.0


@pytest.fixture
def settings(shared_houses):
    return shared_houses("scaled").settings


@pytest.fixture
def known(settings):
    return KnownCallers(RedisStore(settings), lambda: Rate(1000, 60), most_held=1)


@pytest.fixture
def store(settings):
    with Redis.from_url(settings.redis_url, ssl_ca_certs=settings.redis_ca_file or None) as client:
        yield client


@pytest.fixture
def alice():
    """Her id, and her session's."""
    return new_id(), new_id()


def keep(known, alice, sighting):
    known.keep(*alice, sighting=sighting, role="user", until=FOREVER)


def test_what_was_kept_is_known_to_the_next_reader(known, alice):
    keep(known, alice, known.look(*alice))

    assert known.look(*alice).role == "user"
    assert known.look(alice[0], new_id()).role is None


@pytest.mark.parametrize("has_copy", [True, False], ids=["known before", "new"])
def test_a_reader_who_asked_before_the_end_keeps_nothing_after_it(known, alice, has_copy):
    if has_copy:
        keep(known, alice, known.look(*alice))
    slow = known.look(*alice)

    known.end(*alice)
    keep(known, alice, slow)

    seen = known.look(*alice)
    assert (seen.has_ended, seen.role) == (True, None)


def test_a_reader_who_asked_before_a_change_keeps_nothing_after_it(known, alice):
    slow = known.look(*alice)

    known.change(alice[0])
    keep(known, alice, slow)

    assert known.look(*alice).role is None


@pytest.mark.parametrize(
    "revoke", [lambda known, alice: known.end(*alice), lambda known, alice: known.change(alice[0])], ids=["end", "change"]
)
def test_a_reader_who_asked_before_redis_was_emptied_keeps_nothing_after_it(known, alice, store, revoke):
    """The mark is gone with all the rest. So is what the reader has seen, and that is how it shows."""
    slow = known.look(*alice)
    revoke(known, alice)

    store.delete(*store.scan_iter(f"*{alice[0]}*"))
    keep(known, alice, slow)
    assert known.look(*alice).role is None
    keep(known, alice, slow)
    assert known.look(*alice).role is None


def test_a_copy_dies_ten_seconds_after_the_database_was_asked_however_late_it_was_kept(known, alice, store):
    for late in (0, 4, COPY_SECONDS - 2):
        sighting = known.look(*alice)
        keep(known, alice, dataclasses.replace(sighting, seen_at=sighting.seen_at - 1000 * late))
        (copy,) = store.scan_iter(f"*{alice[0]}*:s:*")
        assert 0 < store.pttl(copy) <= 1000 * (COPY_SECONDS - late)
        store.delete(copy)

    sighting = known.look(*alice)
    keep(known, alice, dataclasses.replace(sighting, seen_at=sighting.seen_at - 1000 * COPY_SECONDS))
    assert list(store.scan_iter(f"*{alice[0]}*:s:*")) == []


def test_reading_a_copy_does_not_make_it_live_longer(known, alice, store):
    sighting = known.look(*alice)
    keep(known, alice, dataclasses.replace(sighting, seen_at=sighting.seen_at - 5000))

    for _ in range(5):
        assert known.look(*alice).role == "user"

    (copy,) = store.scan_iter(f"*{alice[0]}*:s:*")
    assert store.pttl(copy) <= 5000


def test_a_copy_of_another_run_of_the_server_is_not_believed(known, alice):
    sighting = known.look(*alice)
    keep(known, alice, dataclasses.replace(sighting, server="0" * 40))
    assert known.look(*alice).role is None

    keep(known, alice, sighting)
    assert known.look(*alice).role == "user"


def test_everything_that_is_kept_about_somebody_goes_away_by_itself(known, alice, store):
    keep(known, alice, known.look(*alice))
    known.change(alice[0])
    known.end(*alice)
    known.look(*alice)

    keys = list(store.scan_iter(f"*{alice[0]}*"))
    assert keys
    assert all(0 < store.pttl(key) <= 60_000 for key in keys)
