"""What must never both happen, on four workers at once: many requests let go together, and the sum of their answers counted.

Rotations are in test_refresh_races.py, the end of sessions in test_immediate_end.py.
"""

# ruff: noqa: RUF001 - letters that look alike are the subject here

import secrets
from collections import Counter

from support.races import together

LOGIN, REGISTER, ME = (f"/api/v1{path}" for path in ("/auth/login", "/auth/register", "/users/me"))


def persistently(live, path, **sent):
    """The answer to somebody who comes again when he is told that the server is busy: so many at once are a storm to the hashing."""
    while (answer := live.post(path, **sent)).status == 503:
        assert answer.json["code"] == "busy"
    return answer


def test_two_hundred_guessers_at_once_are_never_looked_at_more_often_than_the_limit(live):
    person = live.house.register()
    most = live.settings.max_login_attempts

    answers = together(
        [lambda n=n: persistently(live, LOGIN, json={"username": person.username, "password": f"guess-{n}"}) for n in range(200)]
    )

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

    answers = together([lambda: persistently(live, LOGIN, json={"username": person.username, "password": person.password})] * 30)

    assert {answer.status for answer in answers} == {401}


def test_guesses_at_a_name_that_nobody_has_are_counted_alike(live):
    name = f"nobody-{secrets.token_hex(6)}"
    before = len(live.house.events("security.account.locked"))

    answers = together([lambda: persistently(live, LOGIN, json={"username": name, "password": "x"})] * 50)

    assert {answer.status for answer in answers} == {401}
    assert len(live.house.events("security.account.locked")) == before + 1


def test_fifty_registrations_of_one_address_in_many_spellings_make_one_account(live):
    word = secrets.token_hex(5)
    spellings = ["{}@example.com", "{}@EXAMPLE.COM", "{}@Example.Com", "{}@example。com", "{}@ｅxample.com"]
    addresses = [spellings[n % 5].format(word.upper() if n % 2 else word) for n in range(50)]

    answers = together(
        [
            lambda n=n, email=email: persistently(
                live, REGISTER, json={"username": f"{word}-{n}", "email": email, "password": "Tall-Trees-42!"}
            )
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
            lambda n=n: persistently(
                live,
                REGISTER,
                json={"username": name.upper() if n % 2 else name, "email": f"{name}.{n}@example.com", "password": "Tall-Trees-42!"},
            )
            for n in range(50)
        ]
    )

    assert Counter(answer.status for answer in answers) == {201: 1, 400: 49}


def test_a_password_that_is_changed_twice_at_once_is_one_of_the_two(live):
    person = live.house.register()
    assert person.headers
    # Fewer than lock the account: whoever comes after the winner has the wrong password.
    new = [f"Other-Trees-{n}!" for n in range(4)]

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


def test_a_caller_who_sends_all_at_once_gets_no_more_than_his_budget(make_live):
    live = make_live(rate_limit_per_minute=20, login_rate_limit="10/minute")
    person = live.house.register()
    assert person.headers

    reads = Counter(answer.status for answer in together([lambda: live.get(ME, person=person)] * 60))
    logins = Counter(answer.status for answer in together([lambda: live.post(LOGIN, json={"username": "nobody-x", "password": "x"})] * 40))

    assert reads == {200: 20, 429: 40}
    assert logins == {401: 9, 429: 31}, "one of the ten was spent by the sign-in above"
