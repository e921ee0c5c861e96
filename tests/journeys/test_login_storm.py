"""A storm of strangers at the gate before the hashing: the owner goes past them, and nobody is locked out or locked in by it."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from journeys.answers import assert_problem
from journeys.knocking import MOST, attempt, device_of
from secureapi.security.attempts import Attempts
from secureapi.security.passwords import PasswordHasher
from support.browser import API
from support.processes import until
from support.races import together

PLACES, STRANGERS = 8, 6


class Hashing:
    """The one thread that hashes, which takes its time: a hash begins when the test says so."""

    def __init__(self, house, monkeypatch):
        hasher = house.service(PasswordHasher)
        self.gate, self._look, self._turns = hasher._gate, hasher._look, threading.Semaphore(0)
        monkeypatch.setattr(hasher, "_look", self._slowly)

    def _slowly(self, *args):
        assert self._turns.acquire(timeout=30)
        return self._look(*args)

    def go_on(self, times):
        self._turns.release(times)

    def waiting(self):
        return sum(len(queue) for queue in self.gate._waiting.values())

    def inside(self):
        return sum(self.gate._inside.values())


@pytest.fixture
def house(make_house, engine):
    return make_house(engine, password_hash_workers=1, password_hash_queue=PLACES - 1)


@pytest.fixture
def flood(house, from_elsewhere):
    """`flood(pool)`: strangers, each from an address of his own, until they have every place that strangers may have."""

    def begin(pool, hashing, person):
        guesses = [pool.submit(attempt, house, person, "wrong", name=f"nobody-{n}", elsewhere=from_elsewhere()) for n in range(STRANGERS)]
        until(lambda: hashing.inside() == STRANGERS and hashing.waiting() == STRANGERS - 1)
        return guesses

    return begin


@pytest.mark.parametrize("known_by", ["device", "address"])
def test_the_owner_gets_in_at_once_while_strangers_have_every_place_they_may_have(house, monkeypatch, from_elsewhere, flood, known_by):
    person, home = house.register(), from_elsewhere()
    phone = device_of(house, person, elsewhere=home)
    where = {"device": phone, "elsewhere": from_elsewhere()} if known_by == "device" else {"elsewhere": home}
    hashing = Hashing(house, monkeypatch)
    with ThreadPoolExecutor(STRANGERS + 1) as pool:
        guesses = flood(pool, hashing, person)
        assert_problem(attempt(house, person, elsewhere=from_elsewhere()), 503, "busy")

        owner = pool.submit(attempt, house, person, **where)
        until(lambda: hashing.waiting() == STRANGERS)
        # The one whose turn it is, and then he.
        hashing.go_on(2)
        assert owner.result(timeout=30).status_code == 200

        assert hashing.waiting() == STRANGERS - 2, "the others stand where they stood"
        hashing.go_on(STRANGERS)
        assert {guess.result(timeout=30).status_code for guess in guesses} == {401}


def test_so_does_whoever_is_signed_in_and_proves_who_he_is(house, monkeypatch, flood):
    person = house.person()
    hashing = Hashing(house, monkeypatch)
    with ThreadPoolExecutor(STRANGERS + 1) as pool:
        guesses = flood(pool, hashing, person)

        proof = pool.submit(house.client().post, f"{API}/auth/reauthenticate", headers=person.headers, json={"password": person.password})
        until(lambda: hashing.waiting() == STRANGERS)
        hashing.go_on(2)
        assert proof.result(timeout=30).status_code == 200

        hashing.go_on(STRANGERS)
        assert {guess.result(timeout=30).status_code for guess in guesses} == {401}


def test_mallory_with_a_device_whose_lane_is_locked_waits_as_strangers_do(house, monkeypatch, from_elsewhere, flood):
    """Or a locked lane would be a way to the front, with as many wrong passwords as he likes."""
    mallory = house.register()
    phone = device_of(house, mallory, elsewhere=from_elsewhere())
    for _ in range(MOST):
        attempt(house, mallory, "wrong", device=phone, elsewhere=from_elsewhere())
    hashing = Hashing(house, monkeypatch)
    with ThreadPoolExecutor(STRANGERS) as pool:
        guesses = flood(pool, hashing, mallory)
        assert_problem(attempt(house, mallory, "wrong", device=phone, elsewhere=from_elsewhere()), 503, "busy")
        hashing.go_on(STRANGERS)
        assert {guess.result(timeout=30).status_code for guess in guesses} == {401}


def test_a_stranger_who_is_turned_away_has_left_nothing(house, monkeypatch, from_elsewhere, flood):
    """A flood of names that the gate turns away must not fill the table faster than it is swept."""
    person = house.register()
    hashing = Hashing(house, monkeypatch)
    with ThreadPoolExecutor(STRANGERS) as pool:
        guesses = flood(pool, hashing, person)
        before = house.execute("SELECT key, attempts FROM throttles ORDER BY key")
        with monkeypatch.context() as patch:
            # Nor is anything written for him and taken back: each of these is answered in a moment, so that there can be many.
            patch.delattr(Attempts, "reserve")
            for name in (person.username, "nobody-else"):
                assert_problem(attempt(house, person, name=name, elsewhere=from_elsewhere()), 503, "busy")
        assert house.execute("SELECT key, attempts FROM throttles ORDER BY key") == before
        hashing.go_on(STRANGERS)
        assert {guess.result(timeout=30).status_code for guess in guesses} == {401}


def test_in_a_storm_a_lane_is_locked_by_five_wrong_passwords_and_by_nothing_else(make_house, engine, from_elsewhere):
    """Those who were refused while five were looked at, or were turned away, must not close a lane in silence."""
    house = make_house(engine, password_hash_workers=1, password_hash_queue=2)
    for _ in range(3):
        person = house.register()
        storm = partial(attempt, house, person, "wrong")

        answers = together([partial(storm, elsewhere=from_elsewhere()) for _ in range(24)])

        assert {answer.status_code for answer in answers} <= {401, 503}
        reasons = Counter(event.details["reason"] for event in house.events("auth.login.refused", subject=person))
        counted = house.execute("SELECT attempts FROM throttles WHERE key = :key", key=f"password:{person.id}")
        assert sum(row.attempts for row in counted) == reasons["wrong_password"]
        while reasons["wrong_password"] < MOST:
            assert storm(elsewhere=from_elsewhere()).status_code == 401
            reasons = Counter(event.details["reason"] for event in house.events("auth.login.refused", subject=person))
        assert storm(elsewhere=from_elsewhere()).status_code == 401
        assert reasons["wrong_password"] == MOST
        assert house.events("security.account.locked", subject=person), "and whoever is locked out is told"
