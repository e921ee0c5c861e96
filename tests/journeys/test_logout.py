"""Signing out: from the answer on, the token opens nothing any more."""

import pytest

from journeys.answers import assert_headers, assert_problem

AUTH = "/api/v1/auth"


def me(house, tokens):
    return house.client().get("/api/v1/users/me", headers=tokens.headers)


def test_after_signing_out_the_access_token_and_the_refresh_token_are_refused_at_once(house, base):
    person = house.register()
    assert me(house, person.tokens).status_code == 200

    answer = house.client().post(f"{base}/auth/logout", headers=person.headers)

    assert answer.status_code == 200
    assert answer.json == {"message": "Successfully logged out"}
    assert_headers(answer)
    assert_problem(me(house, person.tokens), 401, "invalid_token")
    refresh = house.client().post(f"{base}/auth/refresh", json={"refresh_token": person.tokens.refresh})
    assert_problem(refresh, 401, "invalid_refresh_token")
    (event,) = house.events("auth.logout.succeeded", subject=person)
    assert (event.actor_id, event.outcome) == (person.id, "success")


def test_an_access_token_that_was_refreshed_away_is_refused_after_signing_out_too(house):
    person = house.register()
    newer = house.client().post(f"{AUTH}/refresh", json={"refresh_token": person.tokens.refresh}).json["access_token"]

    house.client().post(f"{AUTH}/logout", headers={"Authorization": f"Bearer {newer}"})

    assert_problem(me(house, person.tokens), 401, "invalid_token")


def test_signing_out_here_leaves_the_other_sessions_alone(house):
    person = house.register()
    phone = house.sign_in(person)

    house.client().post(f"{AUTH}/logout", headers=person.headers)

    assert me(house, phone).status_code == 200
    assert house.client().post(f"{AUTH}/refresh", json={"refresh_token": phone.refresh}).status_code == 200


def test_signing_out_everywhere_ends_every_session_and_nobody_elses(house, base):
    person, neighbour = house.register(), house.register()
    sessions = [person.tokens, house.sign_in(person), house.sign_in(person)]
    assert [me(house, tokens).status_code for tokens in sessions] == [200] * 3

    answer = house.client().post(f"{base}/auth/logout-all", headers=sessions[1].headers)

    assert (answer.status_code, answer.json["sessions_ended"]) == (200, 3)
    assert [me(house, tokens).status_code for tokens in sessions] == [401] * 3
    assert me(house, neighbour.tokens).status_code == 200
    assert house.sign_in(person).access
    (event,) = house.events("auth.logout_all.succeeded", subject=person)
    assert event.details == {"ended": 3}


@pytest.mark.parametrize("path", ["logout", "logout-all"])
def test_a_token_that_was_signed_out_cannot_sign_out_again(house, path):
    person = house.register()
    house.client().post(f"{AUTH}/logout", headers=person.headers)

    assert_problem(house.client().post(f"{AUTH}/{path}", headers=person.headers), 401, "invalid_token")


@pytest.mark.parametrize("path", ["logout", "logout-all"])
def test_a_stranger_signs_nobody_out(house, path):
    person = house.register()

    assert_problem(house.client().post(f"{AUTH}/{path}"), 401, "unauthenticated")
    assert_problem(house.client().get(f"{AUTH}/{path}", headers=person.headers), 405)
    assert me(house, person.tokens).status_code == 200


def test_a_client_may_send_an_empty_body_along(house):
    person = house.register()

    assert house.client().post(f"{AUTH}/logout", headers=person.headers, json={}).status_code == 200
