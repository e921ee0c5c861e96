"""A cap on sessions: one more ends the oldest, in the same transaction, and nobody gets round it by signing in at once."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import event

from secureapi.core.database import Database
from support.house import Tokens
from support.races import together

API = "/api/v1"
LIVING = "SELECT count(*) FROM sessions WHERE ended_at IS NULL"


def is_alive(house, tokens):
    return house.client().get(f"{API}/users/me", headers=tokens.headers).status_code == 200


def can_refresh(house, tokens):
    return house.client().post(f"{API}/auth/refresh", json={"refresh_token": tokens.refresh}).status_code == 200


def reasons(house):
    return Counter(row[0] for row in house.execute("SELECT end_reason FROM sessions"))


@pytest.fixture
def capped(make_house, engine, clock):
    return make_house(engine, clock=clock, max_sessions_per_user=3, refresh_token_expire_days=7)


@pytest.fixture
def opened(capped, clock):
    """Somebody, and `opened()` opens one more session a second later."""
    person = capped.register()

    def one_more():
        clock.advance(timedelta(seconds=1))
        return capped.sign_in(person)

    one_more.person = person
    return one_more


def test_one_more_than_the_cap_ends_the_oldest_at_once(capped, opened):
    first, second, third = opened(), opened(), opened()
    assert all(is_alive(capped, tokens) for tokens in (first, second, third))

    fourth = opened()

    assert [is_alive(capped, tokens) for tokens in (first, second, third, fourth)] == [False, True, True, True]
    assert not can_refresh(capped, first)
    (displaced,) = capped.events("auth.session.displaced", subject=opened.person)
    (session_id,) = capped.execute("SELECT id FROM sessions WHERE end_reason = 'displaced'")[0]
    assert displaced.session_id.replace("-", "") == str(session_id).replace("-", "")
    assert (displaced.severity, displaced.actor_id) == ("WARNING", None)


def test_the_oldest_is_the_one_that_was_opened_first_however_lately_it_was_used(capped, opened, clock):
    first, second, third = opened(), opened(), opened()
    clock.advance(timedelta(minutes=1))
    renewed = capped.client().post(f"{API}/auth/refresh", json={"refresh_token": first.refresh}).json

    opened()

    assert not is_alive(capped, Tokens(renewed["access_token"], renewed["refresh_token"]))
    assert is_alive(capped, second)
    assert is_alive(capped, third)


def test_sessions_that_are_over_do_not_count(capped, opened, clock):
    first, second, third = opened(), opened(), opened()
    capped.client().post(f"{API}/auth/logout", headers=third.headers)
    opened()
    assert is_alive(capped, first)
    assert capped.events("auth.session.displaced", subject=opened.person) == []

    clock.advance(timedelta(days=8))
    newest = [opened(), opened(), opened()]

    assert all(is_alive(capped, tokens) for tokens in newest)
    assert capped.events("auth.session.displaced", subject=opened.person) == []
    assert reasons(capped) == {"expired": 3, "logout": 1, None: 3}
    assert not is_alive(capped, second)


def test_other_people_keep_theirs(capped, opened):
    neighbour = capped.register()
    assert is_alive(capped, neighbour.tokens)

    for _ in range(5):
        opened()

    assert is_alive(capped, neighbour.tokens)


def test_a_cap_of_one_leaves_only_the_newest(make_house, engine):
    house = make_house(engine, max_sessions_per_user=1)
    person = house.register()
    tokens = [house.sign_in(person) for _ in range(3)]

    assert [is_alive(house, one) for one in tokens] == [False, False, True]


def test_a_cap_that_was_lowered_takes_effect_at_the_next_sign_in(make_house, engine, clock):
    house = make_house(engine, clock=clock, max_sessions_per_user=10)
    person = house.register()
    for _ in range(6):
        clock.advance(timedelta(seconds=1))
        house.sign_in(person)
    object.__setattr__(house.settings, "max_sessions_per_user", 2)

    clock.advance(timedelta(seconds=1))
    house.sign_in(person)

    assert house.execute(LIVING)[0][0] == 2
    assert len(house.events("auth.session.displaced", subject=person)) == 5


def test_a_refused_sign_in_displaces_nobody(make_house, engine):
    house = make_house(engine, max_sessions_per_user=1)
    person = house.register()
    assert is_alive(house, person.tokens)

    house.client().post(f"{API}/auth/login", json={"username": person.username, "password": "wrong"})

    assert is_alive(house, person.tokens)


def test_a_sign_in_that_displaces_nobody_costs_one_statement_more(make_house, engine):
    house = make_house(engine)
    person = house.register()
    assert person.tokens
    statements = []

    def seen(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    engines = (house.service(Database).engine, house.service(Database).reader)
    for one in engines:
        event.listen(one, "before_cursor_execute", seen)
    house.sign_in(person)
    for one in engines:
        event.remove(one, "before_cursor_execute", seen)

    touching = [statement.split()[0] for statement in statements if " sessions" in statement]
    assert sorted(touching) == ["INSERT", "SELECT", "UPDATE"], "the look is for the lane: has anybody signed in from here before?"


def test_thirty_sign_ins_at_once_leave_exactly_as_many_as_the_cap(make_live):
    # Attempts are counted before the password is looked at, so that so many at once would look like guessing.
    live = make_live(max_sessions_per_user=5, max_login_attempts=100)
    person = live.house.register()
    credentials = {"username": person.username, "password": person.password}

    answers = together([lambda: live.post(f"{API}/auth/login", json=credentials)] * 30)

    assert {answer.status for answer in answers} == {200}
    assert live.house.execute(LIVING)[0][0] == 5
    headers = [{"Authorization": f"Bearer {answer.json['access_token']}"} for answer in answers]
    seen = together([lambda sent=sent: live.get(f"{API}/users/me", headers=sent).status for sent in headers])
    assert Counter(seen) == {200: 5, 401: 25}
    refreshed = [live.post(f"{API}/auth/refresh", json={"refresh_token": answer.json["refresh_token"]}).status for answer in answers]
    assert Counter(refreshed) == {200: 5, 401: 25}
    assert refreshed == seen
    assert len(live.house.events("auth.session.displaced", subject=person)) == 25
    assert reasons(live.house) == {"displaced": 25, None: 5}
