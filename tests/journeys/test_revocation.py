"""Revocation by other services (RFC 7009): the whole session ends, at once, for whoever holds a token of it."""

import time

import jwt
import pytest

from journeys.answers import assert_headers, assert_problem
from secureapi.auth.keys import KeyRing
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from support.races import change_role, together
from support.services_of_others import REVOKE, add_service, assert_oauth_problem

API = "/api/v1"


@pytest.fixture
def shop(house):
    return add_service(house)


def me(house, tokens):
    return house.client().get(f"{API}/users/me", headers=tokens.headers)


def refresh(house, token):
    return house.client().post(f"{API}/auth/refresh", json={"refresh_token": token})


def assert_revoked(answer):
    """The one answer, whatever came of it."""
    assert (answer.status_code, answer.get_data()) == (200, b"")
    assert "Content-Type" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert_headers(answer)


@pytest.mark.parametrize("kind", ["access", "refresh"])
@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "access_token"}, {"token_type_hint": "something"}])
def test_either_token_ends_the_session_and_the_other_token_with_it(house, shop, kind, hint):
    person = house.register()
    tokens, other = person.tokens, house.sign_in(person)
    assert me(house, tokens).status_code == 200

    assert_revoked(shop.revoke(getattr(tokens, kind), **hint))

    assert_problem(me(house, tokens), 401, "invalid_token")
    assert_problem(refresh(house, tokens.refresh), 401, "invalid_refresh_token")
    assert me(house, other).status_code == 200
    assert refresh(house, other.refresh).status_code == 200
    (event,) = house.events("auth.session.revoked", subject=person)
    assert (event.actor_id, event.details) == (None, {"client_id": shop.id})
    assert event.session_id == jwt.decode(tokens.access, options={"verify_signature": False})["sid"]


def test_it_answers_on_both_paths(house, shop, base):
    person = house.register()

    assert_revoked(house.client().post(f"{base}/auth/revoke", headers=shop.headers, data={"token": person.tokens.refresh}))
    assert me(house, person.tokens).status_code == 401


def test_an_old_refresh_token_of_the_family_ends_it_too(house, shop):
    person = house.register()
    newer = refresh(house, person.tokens.refresh).json
    newest = refresh(house, newer["refresh_token"]).json

    assert_revoked(shop.revoke(person.tokens.refresh))

    assert refresh(house, newest["refresh_token"]).status_code == 401
    assert house.client().get(f"{API}/users/me", headers={"Authorization": f"Bearer {newest['access_token']}"}).status_code == 401
    assert house.events("auth.session.refresh_reused", subject=person) == []


def test_a_token_that_is_unknown_forged_or_over_ends_nothing_and_is_answered_alike(house, shop):
    person, key = house.register(), house.service(KeyRing).signing_key()
    said, now = jwt.decode(person.tokens.access, options={"verify_signature": False}), int(time.time())
    neighbour = house.register()
    head = {"typ": "at+jwt", "kid": key.kid}
    forged = [
        "x",
        "sar_" + "A" * 64,
        person.tokens.refresh[:-1] + ("A" if person.tokens.refresh[-1] != "A" else "B"),
        "sar_" + neighbour.tokens.refresh[4:26] + person.tokens.refresh[26:],
        person.tokens.access[:-4] + "AAAA",
        jwt.encode(said, "k" * 32, "HS256", headers=head),
        jwt.encode(said | {"iss": "https://elsewhere.example.com"}, key.signs_with, "ES256", headers=head),
        jwt.encode(said | {"sub": neighbour.id}, key.signs_with, "ES256", headers=head),
        # Of a log of last week, say: it proves nothing any more.
        jwt.encode(said | {"iat": now - 1000, "nbf": now - 1000, "exp": now - 100}, key.signs_with, "ES256", headers=head),
    ]

    for token in forged:
        assert_revoked(shop.revoke(token))

    assert me(house, person.tokens).status_code == 200
    assert refresh(house, person.tokens.refresh).status_code == 200
    assert house.events("auth.session.revoked", subject=person) == []


def test_revoking_twice_is_one_event(house, shop):
    person = house.register()

    for token in (person.tokens.refresh, person.tokens.refresh, person.tokens.access):
        assert_revoked(shop.revoke(token))

    assert len(house.events("auth.session.revoked", subject=person)) == 1


def test_the_token_of_somebody_whose_role_changed_or_who_is_disabled_can_still_be_revoked(house, shop):
    promoted, disabled = house.register(), house.register()
    sid = jwt.decode(promoted.tokens.access, options={"verify_signature": False})["sid"]
    assert disabled.tokens
    change_role(house, promoted, "moderator")
    house.service(Administration).disable(user_id=disabled.id, caller=None, client=Client.of_command_line())

    assert_revoked(shop.revoke(promoted.tokens.access))
    assert_revoked(shop.revoke(disabled.tokens.access))

    assert refresh(house, promoted.tokens.refresh).status_code == 401
    (event,) = house.events("auth.session.revoked", subject=promoted)
    assert event.session_id == sid


def test_a_stranger_revokes_nothing(house):
    person = house.register()

    answer = house.client().post(REVOKE, data={"token": person.tokens.refresh})

    assert_oauth_problem(answer, 401, "invalid_client")
    assert me(house, person.tokens).status_code == 200


def test_on_four_workers_no_request_after_the_answer_is_accepted(live):
    shop, person = add_service(live.house), live.house.register()
    calls = [lambda: live.get(f"{API}/users/me", person=person).status] * 24
    assert person.tokens
    assert set(together(calls)) == {200}

    answer = live.post(REVOKE, headers=shop.headers, form={"token": person.tokens.refresh})

    assert (answer.status, answer.body) == (200, b"")
    assert set(together(calls)) == {401}


def test_twenty_services_that_revoke_one_session_at_once_end_it_once(live):
    shop, person = add_service(live.house), live.house.register()
    token = person.tokens.refresh

    answers = together([lambda: live.post(REVOKE, headers=shop.headers, form={"token": token}).status] * 20)

    assert answers == [200] * 20
    assert len(live.house.events("auth.session.revoked", subject=person)) == 1
