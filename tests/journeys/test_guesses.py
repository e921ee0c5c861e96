"""Whoever has stolen an access token can neither guess the password with it, nor lock its owner out: the session ends, and he is told."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from journeys.answers import assert_problem
from secureapi.security.delays import Delays
from secureapi.security.passwords import PasswordHasher
from support.browser import API, browser_of
from support.races import together

REAUTHENTICATE = f"{API}/auth/reauthenticate"
CHANGE = f"{API}/auth/change-password"
LOGIN = f"{API}/auth/login"
ME = f"{API}/users/me"
NEW = "Other-Trees-43!"
MOST = 5
WAITING = 30


@pytest.fixture
def own(make_house, engine):
    """Where a crowd finds room to wait."""
    return make_house(engine, password_hash_queue=100)


def prove(house, headers, password):
    return house.client().post(REAUTHENTICATE, headers=headers, json={"password": password})


def change(house, headers, password):
    return house.client().post(CHANGE, headers=headers, json={"current_password": password, "new_password": NEW})


def is_going(house, headers):
    return house.client().get(ME, headers=headers).status_code == 200


def notes(house):
    rows = house.execute("SELECT topic, details FROM outbox WHERE topic LIKE 'notice.%'")
    return [(row.topic, json.loads(row.details) if isinstance(row.details, str) else row.details) for row in rows]


@pytest.mark.parametrize("ask", [prove, change])
def test_a_thief_with_an_access_token_loses_it_with_the_fifth_wrong_password(own, ask):
    person = own.register()
    stolen, other = own.sign_in(person), own.sign_in(person)

    for number in range(MOST):
        assert_problem(ask(own, stolen.headers, f"guess-{number}"), 403, "wrong_current_password")

    assert_problem(ask(own, stolen.headers, person.password), 401, "invalid_token")
    assert not is_going(own, stolen.headers)
    assert_problem(own.client().post(f"{API}/auth/refresh", json={"refresh_token": stolen.refresh}), 401)
    assert is_going(own, other.headers), "the owner's other session goes on"
    assert own.client().post(LOGIN, json={"username": person.username, "password": person.password}).status_code == 200
    assert own.events("security.account.locked", subject=person) == []
    assert [row.end_reason for row in own.execute("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL")] == ["guesses"]


def test_the_owner_is_told_and_the_trail_remembers(own):
    person = own.register()
    tokens = own.sign_in(person)
    for _ in range(MOST):
        own.client().post(
            REAUTHENTICATE, headers=tokens.headers, json={"password": "wrong"}, environ_overrides={"REMOTE_ADDR": "203.0.113.77"}
        )

    assert notes(own) == [("notice.guesses", {"address": "203.0.113.77"})]
    (event,) = own.events("auth.session.guessed", subject=person)
    assert (event.actor_id, event.severity, event.outcome) == (person.id, "CRITICAL", "denied")
    (opened,) = own.events("auth.login.succeeded", subject=person)
    assert event.session_id == opened.session_id
    refused = own.events("auth.reauthentication.refused", subject=person)
    assert [event.details["reason"] for event in refused] == ["wrong_password"] * MOST


def test_both_ways_to_guess_count_together_and_the_sign_in_counts_apart(own):
    person = own.register()
    tokens = own.sign_in(person)
    for _ in range(MOST - 1):
        own.client().post(LOGIN, json={"username": person.username, "password": "wrong"})
    for ask in (prove, change, prove, change):
        ask(own, tokens.headers, "wrong")

    assert is_going(own, tokens.headers)
    assert prove(own, tokens.headers, "wrong").status_code == 403
    assert not is_going(own, tokens.headers)
    assert own.client().post(LOGIN, json={"username": person.username, "password": person.password}).status_code == 200


def test_each_session_has_a_count_of_its_own(own):
    person = own.register()
    sessions = [own.sign_in(person) for _ in range(3)]
    for tokens in sessions:
        for _ in range(MOST - 1):
            prove(own, tokens.headers, "wrong")

    assert all(is_going(own, tokens.headers) for tokens in sessions)


@pytest.mark.parametrize("right", [prove, change])
def test_a_right_password_forgets_the_wrong_ones_before_it(own, right):
    person = own.register()
    tokens = own.sign_in(person)
    for _ in range(MOST - 1):
        prove(own, tokens.headers, "wrong")
    assert right(own, tokens.headers, person.password).status_code == 200

    for _ in range(MOST - 1):
        prove(own, tokens.headers, "wrong")

    assert is_going(own, tokens.headers)


@pytest.mark.parametrize("ask", [prove, change])
def test_a_crowd_gets_no_more_looks_than_one_after_the_other(own, ask):
    person = own.register()
    tokens = own.sign_in(person)

    answers = together([partial(ask, own, tokens.headers, f"guess-{number}") for number in range(16)])

    assert {answer.status_code for answer in answers} <= {401, 403}
    kind = "auth.reauthentication.refused" if ask is prove else "auth.password.change_refused"
    reasons = [event.details["reason"] for event in own.events(kind, subject=person)]
    assert reasons.count("wrong_password") == MOST
    assert set(reasons) <= {"wrong_password", "locked"}
    assert len(own.events("auth.session.guessed", subject=person)) == 1
    assert [topic for topic, _ in notes(own)] == ["notice.guesses"]
    assert not is_going(own, tokens.headers)


class Slow:
    """A hasher that says what it is looking at, and waits until it may go on."""

    def __init__(self, house, monkeypatch):
        hasher = house.service(PasswordHasher)
        self._verify = hasher.verify
        self.seen, self.may_go_on = {}, {}
        monkeypatch.setattr(hasher, "verify", self.verify)

    def expect(self, password):
        self.seen[password], self.may_go_on[password] = threading.Event(), threading.Event()

    def verify(self, password, stored, **rank):
        is_right = self._verify(password, stored, **rank)
        if password in self.seen:
            self.seen[password].set()
            assert self.may_go_on[password].wait(WAITING)
        return is_right


@pytest.mark.parametrize("ask", [prove, change])
@pytest.mark.parametrize("first", ["right", "wrong"])
def test_a_right_password_beside_the_last_wrong_one(own, monkeypatch, ask, first):
    """Whichever is through first decides, and never both: a session that has ended proves nothing, and a proof forgets the guesses."""
    person = own.register()
    tokens = own.sign_in(person)
    for _ in range(MOST - 2):
        prove(own, tokens.headers, "wrong")
    slow = Slow(own, monkeypatch)
    passwords = {"right": person.password, "wrong": "the-last-wrong-one"}
    answers = {}

    with ThreadPoolExecutor(2) as pool:
        for name in ("right", "wrong"):
            # The right one is counted as the fourth, the wrong one as the fifth and last.
            slow.expect(passwords[name])
            answers[name] = pool.submit(ask if name == "right" else prove, own, tokens.headers, passwords[name])
            assert slow.seen[passwords[name]].wait(WAITING)
        for name in (first, *({"right", "wrong"} - {first})):
            slow.may_go_on[passwords[name]].set()
            answers[name].result(timeout=WAITING)

    right, wrong = answers["right"].result(), answers["wrong"].result()
    assert_problem(wrong, 403, "wrong_current_password")
    if first == "right":
        assert right.status_code == 200, right.text
        assert is_going(own, tokens.headers)
        assert own.events("auth.session.guessed", subject=person) == []
    else:
        assert_problem(right, 403, "wrong_current_password")
        assert not is_going(own, tokens.headers)
        assert own.client().post(LOGIN, json={"username": person.username, "password": person.password}).status_code == 200


def test_in_a_browser_the_session_ends_too(own):
    person = own.register()
    browser = browser_of(own, person)
    for _ in range(MOST):
        assert browser.post("/auth/reauthenticate", json={"password": "wrong"}).status_code == 403

    assert_problem(browser.get("/users/me"), 401, "invalid_token")


def test_wrong_ones_wait_here_as_at_the_sign_in(make_house, engine, monkeypatch):
    house = make_house(engine, login_delay_seconds=0.5)
    person = house.register()
    tokens = house.sign_in(person)
    slept = []
    monkeypatch.setattr(house.service(Delays), "_sleep", slept.append)

    for _ in range(MOST):
        prove(house, tokens.headers, "wrong")

    assert slept == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("ask", [prove, change])
def test_a_password_that_its_owner_disowned_proves_nothing(own, ask):
    person = own.register()
    tokens = own.sign_in(person)
    own.execute("UPDATE users SET password_refused_since = created_at")

    assert_problem(ask(own, tokens.headers, person.password), 403, "wrong_current_password")
    kind = "auth.reauthentication.refused" if ask is prove else "auth.password.change_refused"
    assert [event.details for event in own.events(kind, subject=person)] == [{"reason": "password_refused"}]
