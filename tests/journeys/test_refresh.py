"""Refresh tokens: good once, in families, and a stolen one closes its family."""

# ruff: noqa: RUF001 - letters that look alike are the subject here

import base64
import dataclasses
from datetime import timedelta

import jwt
import pytest

from journeys.answers import assert_headers, assert_problem
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.settings import Settings
from support.cases import Cases

REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/users/me"


@pytest.fixture
def own(make_house, engine, clock):
    return make_house(engine, clock=clock)


def refreshed(house, token):
    return house.client().post(REFRESH, json={"refresh_token": token})


def successor(house, token):
    answer = refreshed(house, token)
    assert answer.status_code == 200, answer.text
    return answer.json["refresh_token"]


def is_let_in(house, access):
    return house.client().get(ME, headers={"Authorization": f"Bearer {access}"}).status_code == 200


def test_a_refresh_gives_a_new_pair_of_the_same_session(house, base):
    person = house.register()

    answer = house.client().post(f"{base}/auth/refresh", json={"refresh_token": person.tokens.refresh})

    assert answer.status_code == 200
    assert_headers(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["refresh_token"] != person.tokens.refresh
    assert answer.json["access_token"] != person.tokens.access
    assert is_let_in(house, answer.json["access_token"])
    assert is_let_in(house, person.tokens.access)
    (event,) = house.events("auth.session.refreshed", subject=person)
    (opened,) = house.events("auth.login.succeeded", subject=person)
    assert (event.session_id, event.actor_id) == (opened.session_id, person.id)


def test_a_family_goes_on_as_long_as_each_token_is_used_once(house):
    token = house.register().tokens.refresh

    seen = {token}
    for _ in range(5):
        token = successor(house, token)
        seen.add(token)

    assert len(seen) == 6


def test_thief_with_a_used_refresh_token_closes_the_whole_family(house):
    person = house.register()
    first = person.tokens.refresh
    second = successor(house, first)
    answer = refreshed(house, second)
    third, access = answer.json["refresh_token"], answer.json["access_token"]

    problem = assert_problem(refreshed(house, first), 401, "refresh_reused")

    assert "again" in problem["detail"]
    assert_problem(refreshed(house, third), 401, "invalid_refresh_token")
    assert_problem(refreshed(house, second), 401, "invalid_refresh_token")
    assert not is_let_in(house, access)
    assert not is_let_in(house, person.tokens.access)
    (event,) = house.events("auth.session.refresh_reused", subject=person)
    assert (event.severity, event.outcome) == ("CRITICAL", "denied")
    assert len(house.events("auth.session.refresh_refused", subject=person)) == 2


def test_owner_whose_token_a_thief_used_first_closes_the_family_too(house):
    person = house.register()
    stolen = successor(house, person.tokens.refresh)

    assert_problem(refreshed(house, person.tokens.refresh), 401, "refresh_reused")

    assert_problem(refreshed(house, stolen), 401, "invalid_refresh_token")


def test_other_sessions_are_not_touched_when_a_family_is_closed(house):
    person = house.register()
    phone = house.sign_in(person)
    successor(house, person.tokens.refresh)

    refreshed(house, person.tokens.refresh)

    assert is_let_in(house, phone.access)
    assert successor(house, phone.refresh)


def forged(token):
    raw = bytearray(base64.urlsafe_b64decode(token.removeprefix("sar_")))
    raw[20] ^= 1
    return "sar_" + base64.urlsafe_b64encode(bytes(raw)).decode()


def of_another_family(token):
    raw = bytearray(base64.urlsafe_b64decode(token.removeprefix("sar_")))
    raw[0] ^= 1
    return "sar_" + base64.urlsafe_b64encode(bytes(raw)).decode()


def test_a_forger_cannot_refresh_and_cannot_close_the_session_either(house):
    with Cases() as case:
        for name, change in zip(
            ["nonce", "family", "short", "long", "upper", "bare", "zeros", "padding", "space", "letter", "null", "full width"],
            (
                forged,
                of_another_family,
                lambda t: t[:-1],
                lambda t: t + "A",
                lambda t: t.upper(),
                lambda t: t.removeprefix("sar_"),
                lambda t: "sar_" + "A" * 64,
                lambda t: "sar_" + "=" * 64,
                lambda t: f"{t} ",
                lambda t: "x",
                lambda t: "null",
                lambda t: "ｓａｒ_" + t[4:],
            ),
            strict=True,
        ):
            with case(name):
                person = house.register()

                assert_problem(refreshed(house, change(person.tokens.refresh)), 401, "invalid_refresh_token")

                assert successor(house, person.tokens.refresh)


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(house):
    person = house.register()

    assert_problem(refreshed(house, person.tokens.access[:512]), 401, "invalid_refresh_token")
    assert not is_let_in(house, person.tokens.refresh)


def test_whoever_sets_nothing_has_a_grace_of_ten_seconds():
    (field,) = [field for field in dataclasses.fields(Settings) if field.name == "refresh_reuse_grace_seconds"]

    assert field.default == 10


def test_a_lost_answer_inside_the_grace_gives_the_very_same_successor(make_house, engine, clock):
    house = make_house(engine, clock=clock, refresh_reuse_grace_seconds=10)
    person = house.register()
    first = successor(house, person.tokens.refresh)
    clock.advance(timedelta(seconds=9))

    assert successor(house, person.tokens.refresh) == first
    assert len(house.execute("SELECT * FROM sessions")) == 1
    assert house.execute("SELECT generation FROM sessions")[0][0] == 1
    assert len(house.events("auth.session.refreshed", subject=person)) == 1
    assert len(house.events("auth.session.refresh_repeated", subject=person)) == 1
    assert not house.execute("SELECT * FROM outbox WHERE topic LIKE 'notice.%'")


def test_the_owner_is_to_be_told_by_mail_that_a_family_was_closed(make_house, engine):
    house = make_house(engine)
    person = house.register()
    successor(house, person.tokens.refresh)

    for _ in range(3):
        assert refreshed(house, person.tokens.refresh).status_code == 401

    (note,) = house.execute("SELECT topic, user_id, details, delivered_at FROM outbox WHERE topic LIKE 'notice.%'")
    assert (note.topic, note.delivered_at) == ("notice.refresh_reused", None)
    assert str(note.user_id).replace("-", "") == person.id.replace("-", "")
    assert "sar_" not in str(note.details)


def test_the_grace_does_not_slide(make_house, engine, clock):
    house = make_house(engine, clock=clock, refresh_reuse_grace_seconds=10)
    person = house.register()
    first = successor(house, person.tokens.refresh)
    for _ in range(3):
        clock.advance(timedelta(seconds=3))
        assert successor(house, person.tokens.refresh) == first

    clock.advance(timedelta(seconds=1))

    assert_problem(refreshed(house, person.tokens.refresh), 401, "refresh_reused")
    assert_problem(refreshed(house, first), 401, "invalid_refresh_token")


def test_the_grace_is_over_once_the_successor_was_used(make_house, engine, clock):
    house = make_house(engine, clock=clock, refresh_reuse_grace_seconds=10)
    person = house.register()
    successor(house, successor(house, person.tokens.refresh))

    assert_problem(refreshed(house, person.tokens.refresh), 401, "refresh_reused")


def test_a_session_that_lies_unused_ends_after_a_week(own, clock):
    unused, used = own.register(), own.register()
    token = used.tokens.refresh
    assert unused.tokens.refresh
    clock.advance(timedelta(days=7) - timedelta(seconds=1))
    token = successor(own, token)
    clock.advance(timedelta(seconds=1))

    assert_problem(refreshed(own, unused.tokens.refresh), 401, "invalid_refresh_token")
    assert successor(own, token)


def test_a_session_ends_after_a_month_however_often_it_is_refreshed(own, clock):
    person = own.register()
    token = person.tokens.refresh
    for _ in range(4):
        clock.advance(timedelta(days=6))
        token = successor(own, token)
    clock.advance(timedelta(days=5))
    answer = refreshed(own, token)

    assert answer.json["refresh_expires_in"] == 86400
    clock.advance(timedelta(days=1))
    assert_problem(refreshed(own, answer.json["refresh_token"]), 401, "invalid_refresh_token")


def test_a_disabled_user_cannot_refresh_and_an_enabled_one_gets_no_old_session_back(house):
    person = house.register()
    assert person.tokens
    house.service(Administration).disable(user_id=person.id, caller=None, client=Client.of_command_line())

    assert_problem(refreshed(house, person.tokens.refresh), 401, "invalid_refresh_token")
    house.service(Administration).enable(user_id=person.id, caller=None, client=Client.of_command_line())
    assert_problem(refreshed(house, person.tokens.refresh), 401, "invalid_refresh_token")
    assert not is_let_in(house, person.tokens.access)
    assert house.sign_in(person).access


def test_a_refresh_takes_the_role_that_somebody_has_now(house):
    person = house.register()
    assert person.tokens
    house.execute("UPDATE users SET role = 'viewer' WHERE username = :name", name=person.username)

    access = refreshed(house, person.tokens.refresh).json["access_token"]

    assert house.client().get(ME, headers={"Authorization": f"Bearer {access}"}).json["role"] == "viewer"


def test_a_refresh_does_not_make_the_sign_in_look_fresh(own, clock):
    person = own.register()
    assert person.tokens
    (before,) = own.execute("SELECT authenticated_at FROM sessions")
    clock.advance(timedelta(days=1))

    successor(own, person.tokens.refresh)

    assert own.execute("SELECT authenticated_at FROM sessions") == [before]


@pytest.mark.parametrize(("behind", "code"), [(1, None), (120, "refresh_reused")])
def test_a_host_whose_clock_is_behind_does_not_shift_the_grace(make_house, clock, behind, code):
    """A used token would otherwise be good again two minutes later, there, for whoever has kept it."""
    house = make_house("embedded", clock=clock, refresh_reuse_grace_seconds=10)
    person = house.register()
    clock.advance(timedelta(seconds=behind))
    first = successor(house, person.tokens.refresh)
    clock.advance(-timedelta(seconds=behind))

    if code:
        assert_problem(refreshed(house, person.tokens.refresh), 401, code)
    else:
        assert successor(house, person.tokens.refresh) == first


def test_whoever_repeats_a_token_gets_no_part_in_what_the_owner_has_proved_since(make_house, clock):
    house = make_house("embedded", clock=clock, refresh_reuse_grace_seconds=10)
    person = house.register()
    assert person.tokens
    opened_at = int(clock.now().timestamp())
    clock.advance(timedelta(minutes=11))
    access = refreshed(house, person.tokens.refresh).json["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    assert house.client().post("/api/v1/auth/reauthenticate", json={"password": person.password}, headers=headers).status_code == 200

    stolen = refreshed(house, person.tokens.refresh).json["access_token"]

    assert jwt.decode(stolen, options={"verify_signature": False})["auth_time"] == opened_at
    answer = house.client().patch("/api/v1/users/me", json={"email": "thief@example.com"}, headers={"Authorization": f"Bearer {stolen}"})
    assert_problem(answer, 401, "insufficient_user_authentication")
