"""What must never both happen, on four workers at once: many requests let go together, and the sum of their answers counted."""

# ruff: noqa: RUF001 - letters that look alike are the subject here

import secrets
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from secureapi.auth.service import Credentials
from secureapi.core.requests import Client

LOGIN, REFRESH, REGISTER, ME = (f"/api/v1{path}" for path in ("/auth/login", "/auth/refresh", "/auth/register", "/users/me"))
TERMINAL = Client(address="", user_agent="race", request_id="race-of-the-tests")


def together(calls):
    """The answers of all calls, which are let go at one moment, each in a thread of its own."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait(timeout=60)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_twenty_thieves_with_one_refresh_token_get_at_most_one_successor(live):
    for _ in range(3):
        person = live.house.register()
        token = person.tokens.refresh

        answers = together([lambda token=token: live.post(REFRESH, json={"refresh_token": token})] * 20)

        counted = Counter(answer.status for answer in answers)
        assert counted.keys() <= {200, 401}
        assert counted[200] <= 1
        # The others were replays: the family is closed, and the successor is worth nothing.
        successors = {answer.json["refresh_token"] for answer in answers if answer.status == 200}
        for successor in successors | {token}:
            assert live.post(REFRESH, json={"refresh_token": successor}).status == 401
        assert live.get(ME, person=person).status == 401
        assert len(live.house.events("auth.session.refresh_reused", subject=person)) == 1


def test_twenty_tabs_inside_the_grace_get_one_and_the_same_successor(make_live):
    live = make_live(refresh_reuse_grace_seconds=60)
    person = live.house.register()
    token = person.tokens.refresh

    answers = together([lambda: live.post(REFRESH, json={"refresh_token": token})] * 20)

    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert live.house.execute("SELECT max(generation) FROM sessions")[0][0] == 1


def test_two_hundred_guessers_at_once_are_never_looked_at_more_often_than_the_limit(live):
    person = live.house.register()
    most = live.settings.max_login_attempts

    answers = together([lambda n=n: live.post(LOGIN, json={"username": person.username, "password": f"guess-{n}"}) for n in range(200)])

    assert {answer.status for answer in answers} == {401}
    reasons = Counter(event.details["reason"] for event in live.house.events("auth.login.refused", subject=person))
    assert reasons == {"wrong_password": most, "locked": 200 - most}
    assert len(live.house.events("security.account.locked", subject=person)) == 1
    assert live.post(LOGIN, json={"username": person.username, "password": person.password}).status == 401


def test_guessers_who_hide_the_right_password_among_many_do_not_get_in_after_the_limit(live):
    person = live.house.register()
    most = live.settings.max_login_attempts
    for n in range(most):
        live.post(LOGIN, json={"username": person.username, "password": f"guess-{n}"})

    answers = together([lambda: live.post(LOGIN, json={"username": person.username, "password": person.password})] * 30)

    assert {answer.status for answer in answers} == {401}


def test_guesses_at_a_name_that_nobody_has_are_counted_alike(live):
    name = f"nobody-{secrets.token_hex(6)}"
    before = len(live.house.events("security.account.locked"))

    answers = together([lambda: live.post(LOGIN, json={"username": name, "password": "x"})] * 50)

    assert {answer.status for answer in answers} == {401}
    assert len(live.house.events("security.account.locked")) == before + 1


def test_fifty_registrations_of_one_address_in_many_spellings_make_one_account(live):
    word = secrets.token_hex(5)
    spellings = ["{}@example.com", "{}@EXAMPLE.COM", "{}@Example.Com", "{}@example。com", "{}@ｅxample.com"]
    addresses = [spellings[n % 5].format(word.upper() if n % 2 else word) for n in range(50)]

    answers = together(
        [
            lambda n=n, email=email: live.post(REGISTER, json={"username": f"{word}-{n}", "email": email, "password": "Tall-Trees-42!"})
            for n, email in enumerate(addresses)
        ]
    )

    assert Counter(answer.status for answer in answers) == {201: 1, 400: 49}
    refused = {answer.json["code"] for answer in answers if answer.status == 400}
    assert refused == {"registration_refused"}
    assert live.house.execute("SELECT count(*) FROM users WHERE email_canonical = :e", e=f"{word}@example.com")[0][0] == 1


def test_fifty_people_who_want_one_username_get_it_once(live):
    name = f"wanted-{secrets.token_hex(4)}"

    answers = together(
        [
            lambda n=n: live.post(
                REGISTER,
                json={"username": name.upper() if n % 2 else name, "email": f"{name}.{n}@example.com", "password": "Tall-Trees-42!"},
            )
            for n in range(50)
        ]
    )

    assert Counter(answer.status for answer in answers) == {201: 1, 400: 49}


@pytest.mark.parametrize("way", ["logout", "logout-all"])
def test_no_request_that_starts_after_the_answer_to_a_sign_out_is_accepted_on_any_worker(live, way):
    for _ in range(3):
        person = live.house.register()
        over, accepted, started = threading.Event(), [], threading.Barrier(9)

        def use(person=person, over=over, accepted=accepted, started=started):
            started.wait(timeout=60)
            for _ in range(25):
                was_over = over.is_set()
                status = live.get(ME, person=person).status
                if was_over and status == 200:
                    accepted.append(status)

        with ThreadPoolExecutor(8) as pool:
            assert person.headers
            users = [pool.submit(use) for _ in range(8)]
            started.wait(timeout=60)
            assert live.post(f"/api/v1/auth/{way}", person=person).status == 200
            over.set()
            for user in users:
                user.result()

        assert accepted == []
        assert {live.get(ME, person=person).status for _ in range(12)} == {401}


def demote(live, person):
    live.house.execute("UPDATE users SET role = 'user' WHERE username = :name", name=person.username)
    live.house.service(Credentials)._callers.user_changed(person.id)


def disable(live, person):
    live.house.service(Credentials).disable(user_id=person.id, client=TERMINAL)


@pytest.mark.parametrize("fall", [demote, disable])
def test_a_fallen_administrators_hundred_calls_find_the_door_shut_from_then_on(live, fall):
    assert live.house.administrator(), "another one, since the last one cannot fall"
    person = live.house.administrator()
    over, afterwards, before, started = threading.Event(), [], [], threading.Barrier(11)

    def call():
        started.wait(timeout=60)
        for _ in range(10):
            was_over = over.is_set()
            status = live.get("/api/v1/users?per_page=1", person=person).status
            (afterwards if was_over else before).append(status)

    with ThreadPoolExecutor(10) as pool:
        callers = [pool.submit(call) for _ in range(10)]
        started.wait(timeout=60)
        fall(live, person)
        over.set()
        for caller in callers:
            caller.result()

    assert len(before) + len(afterwards) == 100
    assert {*before, *afterwards} <= {200, 401}
    assert 200 not in afterwards
    assert live.get("/api/v1/users", person=person).status == 401


def test_a_password_that_is_changed_twice_at_once_is_one_of_the_two(live):
    person = live.house.register()
    assert person.headers
    new = [f"Other-Trees-{n}!" for n in range(10)]

    answers = together(
        [
            lambda p=password: live.post(
                "/api/v1/auth/change-password", person=person, json={"current_password": person.password, "new_password": p}
            )
            for password in new
        ]
    )

    winners = [password for password, answer in zip(new, answers, strict=True) if answer.status == 200]
    assert len(winners) == 1
    assert {answer.status for answer in answers} <= {200, 403}
    assert live.post(LOGIN, json={"username": person.username, "password": winners[0]}).status == 200


def test_a_refresh_and_a_sign_out_at_once_never_leave_the_session_open(live):
    for _ in range(10):
        person = live.house.register()
        tokens = person.tokens

        refreshed, left = together(
            [
                lambda t=tokens: live.post(REFRESH, json={"refresh_token": t.refresh}),
                lambda p=person: live.post("/api/v1/auth/logout", person=p),
            ]
        )

        assert left.status == 200
        assert refreshed.status in {200, 401}
        if refreshed.status == 200:
            assert live.get(ME, headers={"Authorization": f"Bearer {refreshed.json['access_token']}"}).status == 401
            assert live.post(REFRESH, json={"refresh_token": refreshed.json["refresh_token"]}).status == 401


def test_a_caller_who_sends_all_at_once_gets_no_more_than_his_budget(make_live):
    live = make_live(rate_limit_per_minute=20, login_rate_limit="10/minute")
    person = live.house.register()
    assert person.headers

    reads = Counter(answer.status for answer in together([lambda: live.get(ME, person=person)] * 60))
    logins = Counter(answer.status for answer in together([lambda: live.post(LOGIN, json={"username": "nobody-x", "password": "x"})] * 40))

    assert reads == {200: 20, 429: 40}
    assert logins == {401: 9, 429: 31}, "one of the ten was spent by the sign-in above"
