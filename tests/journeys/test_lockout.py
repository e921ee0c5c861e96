"""Five wrong passwords in a row, and the account takes none of strangers for half an hour. So does an address that nobody has.

Whom it knows is not locked out by them: see test_known_devices.
"""

from datetime import timedelta

import pytest

from journeys.answers import as_seen, assert_problem
from secureapi.security.errors import HashingBusy
from secureapi.security.passwords import PasswordHasher

LOGIN = "/api/v1/auth/login"
MOST = 5
WINDOW = timedelta(minutes=30)


@pytest.fixture
def own(make_house, engine, clock):
    """A house with a clock that the test moves."""
    return make_house(engine, clock=clock)


def attempt(house, person, password=None, **options):
    return house.client().post(LOGIN, json={"username": person.username, "password": password or person.password}, **options)


def test_defaults_are_five_attempts_and_thirty_minutes(own):
    assert (own.settings.max_login_attempts, own.settings.account_lockout) == (MOST, WINDOW)


def test_a_guesser_locks_the_account_with_the_fifth_wrong_password(own):
    person = own.register()

    for _ in range(MOST):
        assert attempt(own, person, "wrong").status_code == 401

    assert_problem(attempt(own, person), 401, "invalid_credentials")
    assert [e.details["reason"] for e in own.events("auth.login.refused")] == ["wrong_password"] * MOST + ["locked"]
    (lock,) = own.events("security.account.locked")
    assert (lock.subject_id, lock.severity, lock.outcome) == (person.id, "WARNING", "denied")
    assert lock.details == {"lane": "strangers"}


def test_four_wrong_passwords_lock_nothing_and_a_right_one_starts_the_count_anew(own):
    person = own.register()

    for _ in range(3):
        for _ in range(MOST - 1):
            attempt(own, person, "wrong")
        assert attempt(own, person).status_code == 200

    assert own.events("security.account.locked") == []


def test_the_lock_ends_after_thirty_minutes_and_not_before(own, clock):
    person = own.register()
    for _ in range(MOST):
        attempt(own, person, "wrong")

    clock.advance(WINDOW - timedelta(seconds=1))
    assert attempt(own, person).status_code == 401
    clock.advance(timedelta(seconds=1))
    assert attempt(own, person).status_code == 200


def test_attempts_during_the_lock_do_not_prolong_it(own, clock):
    person = own.register()
    for _ in range(MOST):
        attempt(own, person, "wrong")

    for _ in range(10):
        clock.advance(WINDOW / 10)
        last = attempt(own, person, "wrong" if clock.now() else "")
    assert last.status_code == 401
    assert attempt(own, person).status_code == 200


def test_the_half_hour_counts_from_the_last_wrong_password_and_not_from_the_first(own, clock):
    person = own.register()
    attempt(own, person, "wrong")
    clock.advance(WINDOW - timedelta(minutes=1))
    for _ in range(MOST - 1):
        attempt(own, person, "wrong")

    clock.advance(WINDOW - timedelta(minutes=1))

    assert attempt(own, person).status_code == 401


def test_old_wrong_passwords_are_forgotten(own, clock):
    person = own.register()
    for _ in range(MOST - 1):
        attempt(own, person, "wrong")
    clock.advance(WINDOW)

    attempt(own, person, "wrong")

    assert attempt(own, person).status_code == 200


def test_a_guesser_cannot_go_on_under_the_address_or_another_spelling(own):
    person = own.register()
    names = [person.username, person.email, person.username.upper(), person.email.title(), f" {person.username} "]
    for name in names:
        own.client().post(LOGIN, json={"username": name, "password": "wrong"})

    assert attempt(own, person).status_code == 401
    assert [e.subject_id for e in own.events("security.account.locked")] == [person.id]


def test_a_lock_is_that_of_one_account_only(own):
    locked, other = own.register(), own.register()
    for _ in range(MOST):
        attempt(own, locked, "wrong")

    assert attempt(own, other).status_code == 200


def test_a_lock_does_not_end_the_sessions_of_the_owner(own):
    person = own.register()
    assert person.headers
    for _ in range(MOST + 1):
        attempt(own, person, "wrong")

    assert own.client().get("/api/v1/users/me", headers=person.headers).status_code == 200
    assert own.client().post("/api/v1/auth/refresh", json={"refresh_token": person.tokens.refresh}).status_code == 200


@pytest.mark.parametrize("name", ["nobody-at-all", "nobody@example.com", "Nobody@EXAMPLE.com", "' OR 1=1 --"])
def test_a_prober_sees_a_name_that_nobody_has_behave_like_one_that_somebody_has(own, from_elsewhere, name):
    person = own.register()

    known = [as_seen(attempt(own, person, "wrong", **from_elsewhere())) for _ in range(MOST + 3)]
    unknown = [as_seen(own.client().post(LOGIN, json={"username": name, "password": "wrong"}, **from_elsewhere())) for _ in range(MOST + 3)]

    assert known == unknown
    locks = own.events("security.account.locked")
    assert [lock.subject_id for lock in locks] == [person.id, None]
    assert {lock.details["lane"] for lock in locks} == {"strangers"}
    assert name not in str(locks[1])


def test_a_prober_gets_the_same_answers_when_the_name_is_taken_later(own):
    for _ in range(MOST):
        own.client().post(LOGIN, json={"username": "later-taken", "password": "wrong"})

    person = own.register(username="later-taken")

    assert attempt(own, person).status_code == 200


def test_names_that_are_typed_at_random_are_swept_out_again(own, clock):
    for number in range(30):
        own.client().post(LOGIN, json={"username": f"random-{number}", "password": "wrong"})
    clock.advance(WINDOW)

    for number in range(2):
        own.client().post(LOGIN, json={"username": f"another-{number}", "password": "wrong"})

    assert own.execute("SELECT count(*) FROM throttles")[0][0] == 4, "in the lane and as it was typed, of the last two"


def test_the_number_and_the_time_are_settings(make_house, clock):
    house = make_house(clock=clock, max_login_attempts=2, account_lockout_minutes=1)
    person = house.register()
    for _ in range(2):
        attempt(house, person, "wrong")

    assert attempt(house, person).status_code == 401
    clock.advance(timedelta(minutes=1))
    assert attempt(house, person).status_code == 200


def test_whoever_is_turned_away_because_too_many_wait_has_guessed_nothing(make_house, engine, monkeypatch):
    """His client tries again as it is told; five polite retries must not lock him out for half an hour."""
    house = make_house(engine)
    person = house.register()
    assert person.tokens
    password = {"password": person.password}
    change = {"current_password": person.password, "new_password": "Other-Trees-43!"}
    gate = house.service(PasswordHasher)._gate

    def full(*_args, **_rank):
        raise HashingBusy(retry_after=3)

    with monkeypatch.context() as patch:
        patch.setattr(gate, "run", full)
        for _ in range(7):
            for answer in (
                house.client().post(LOGIN, json={"username": person.username} | password),
                house.client().post(LOGIN, json={"username": "nobody-here"} | password),
                house.client().post("/api/v1/auth/reauthenticate", json=password, headers=person.headers),
                house.client().post("/api/v1/auth/change-password", json=change, headers=person.headers),
            ):
                assert_problem(answer, 503, "busy")
                assert answer.headers["Retry-After"] == "3"

    assert house.execute("SELECT key FROM throttles") == [], "neither for the account, nor for a name that nobody has, nor for the session"
    assert house.client().get("/api/v1/users/me", headers=person.headers).status_code == 200
    assert house.events("security.account.locked") == []
    assert house.client().post(LOGIN, json={"username": person.username} | password).status_code == 200


def test_a_storm_gives_a_guesser_no_guess_more(make_house, engine, monkeypatch):
    house = make_house(engine)
    person = house.register()
    gate = house.service(PasswordHasher)._gate
    is_full = [False]
    really = gate.run

    def sometimes(*args, **rank):
        if is_full[0]:
            raise HashingBusy(retry_after=3)
        return really(*args, **rank)

    monkeypatch.setattr(gate, "run", sometimes)
    for number in range(12):
        is_full[0] = number % 2 == 1
        house.client().post(LOGIN, json={"username": person.username, "password": "wrong"})
    is_full[0] = False

    assert_problem(house.client().post(LOGIN, json={"username": person.username, "password": person.password}), 401, "invalid_credentials")
    assert len(house.events("security.account.locked")) == 1
