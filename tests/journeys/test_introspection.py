"""Introspection (RFC 7662): what other services learn about our tokens, and what they do not."""

import time
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import event

from journeys.answers import as_seen, assert_headers
from secureapi.auth.keys import KeyRing
from secureapi.auth.service import Administration
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.users.models import Status
from support.races import change_role
from support.services_of_others import INTROSPECT, add_service

API = "/api/v1"
TERMINAL = Client.of_command_line()


@pytest.fixture
def shop(house):
    return add_service(house)


def assert_inactive(answer):
    assert answer.status_code == 200
    assert answer.json == {"active": False}
    assert answer.headers["Cache-Control"] == "no-store"
    assert_headers(answer)


def refresh(house, token):
    return house.client().post(f"{API}/auth/refresh", json={"refresh_token": token})


def forged(house, token, *, key=None, drop=(), **claims):
    """A token signed with our own key, unless another is given, that says something else."""
    body = jwt.decode(token, options={"verify_signature": False}) | claims
    own = house.service(KeyRing).signing_key()
    body = {name: value for name, value in body.items() if name not in drop}
    return jwt.encode(body, key or own.signs_with, "ES256", headers={"typ": "at+jwt", "kid": own.kid})


def test_a_good_access_token_is_described_as_the_rfc_says(house, shop, base):
    person = house.person(role="moderator")
    said = jwt.decode(person.tokens.access, options={"verify_signature": False})

    answer = house.client().post(f"{base}/auth/introspect", headers=shop.headers, data={"token": person.tokens.access})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert_headers(answer)
    copied = ("client_id", "sub", "iss", "aud", "exp", "iat", "nbf", "jti", "sid", "role", "auth_time", "amr")
    assert answer.json == {"active": True, "token_type": "Bearer", "username": person.username} | {name: said[name] for name in copied}
    assert answer.json["role"] == "moderator"


def test_the_good_refresh_token_is_described_and_stays_as_it_was(house, shop):
    person = house.register()
    token = person.tokens.refresh

    answers = [shop.introspect(token).json for _ in range(3)]

    (sid,) = {answer["sid"] for answer in answers}
    assert answers[0].keys() == {"active", "token_type", "client_id", "sub", "sid", "exp"}
    assert (answers[0]["active"], answers[0]["token_type"], answers[0]["sub"]) == (True, "refresh_token", person.id)
    assert answers[0]["exp"] > time.time() + 3600
    assert sid == shop.introspect(person.tokens.access).json["sid"]
    assert refresh(house, token).status_code == 200


def test_asking_neither_prolongs_a_session_nor_leaves_a_trace(make_house, engine, clock):
    house = make_house(engine, clock=clock)
    shop, person = add_service(house), house.register()
    assert person.tokens
    clock.advance(timedelta(minutes=1))
    before = house.execute("SELECT * FROM sessions"), len(house.events())

    assert shop.introspect(person.tokens.refresh).json["active"]
    assert shop.introspect(person.tokens.access).json["active"]
    assert_inactive(shop.introspect("sar_" + "A" * 64))

    assert (house.execute("SELECT * FROM sessions"), len(house.events())) == before


def test_asking_costs_the_owner_nothing_of_his_budget(make_house, engine):
    house = make_house(engine, rate_limit_per_minute=3, client_rate_limit="100/minute")
    shop, person = add_service(house), house.register()
    assert person.tokens

    assert {shop.introspect(person.tokens.access).status_code for _ in range(10)} == {200}

    assert [house.client().get(f"{API}/users/me", headers=person.headers).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert shop.introspect(person.tokens.access).json["active"]


def test_asking_about_a_token_costs_one_query_for_the_client_and_one_for_the_token(house, shop):
    person = house.register()
    statements = []
    shop.introspect(person.tokens.access)

    def seen(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    engines = (house.service(Database).engine, house.service(Database).reader)
    for one in engines:
        event.listen(one, "before_cursor_execute", seen)
    shop.introspect(person.tokens.access)
    shop.introspect(person.tokens.refresh)
    for one in engines:
        event.remove(one, "before_cursor_execute", seen)

    assert len(statements) == 4
    assert all(statement.startswith("SELECT") for statement in statements)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "", "'; --", "x" * 5000])
def test_a_hint_changes_nothing_whatever_it_says(house, shop, hint):
    person = house.register()

    assert shop.introspect(person.tokens.access, token_type_hint=hint).json["token_type"] == "Bearer"
    assert shop.introspect(person.tokens.refresh, token_type_hint=hint).json["token_type"] == "refresh_token"
    assert_inactive(shop.introspect("nothing of ours", token_type_hint=hint))


def test_parameters_that_are_not_known_are_ignored(house, shop):
    person = house.register()

    assert shop.introspect(person.tokens.access, resource="https://shop.example.com", foo="").json["active"] is True


def test_everything_doubtful_gets_one_and_the_same_answer(house, shop):
    """Enumeration: from the answer nobody learns whether a token was expired, forged, ended, or somebody's who is disabled."""
    person, disabled, promoted, ended, used = (house.register() for _ in range(5))
    good, now = person.tokens.access, int(time.time())
    tokens = {
        "expired": forged(house, good, iat=now - 1000, nbf=now - 1000, exp=now - 100),
        "expired a moment ago": forged(house, good, iat=now - 900, nbf=now - 900, exp=now - 1),
        "not yet": forged(house, good, nbf=now + 600),
        "another issuer": forged(house, good, iss="https://elsewhere.example.com"),
        "another audience": forged(house, good, aud="https://elsewhere.example.com"),
        "another key": forged(house, good, key=ec.generate_private_key(ec.SECP256R1())),
        "somebody else": forged(house, good, sub=ended.id),
        "another role": forged(house, good, role="admin"),
        "no session": forged(house, good, sid="01890000-0000-7000-8000-000000000000"),
        "cut": good[:-1],
        "none": jwt.encode(jwt.decode(good, options={"verify_signature": False}), "", "none"),
        "of a disabled account": disabled.tokens.access,
        "refresh token of a disabled account": disabled.tokens.refresh,
        "of an old role": promoted.tokens.access,
        "signed out": ended.tokens.access,
        "refresh token, signed out": ended.tokens.refresh,
        "refresh token, used": used.tokens.refresh,
        "refresh token, forged": "sar_" + person.tokens.refresh[4:-4] + "AAAA",
        "refresh token, changed": person.tokens.refresh[:-1],
        "refresh token, padded": person.tokens.refresh + "=",
        "nothing of ours": "x",
        "an API key": "sa_" + "a" * 43,
        "long": "x" * 100_000,
        "text": "Grüße aus München ☃",
        "lines": "a\r\nb: c",
        "bearer": f"Bearer {good}",
    }
    assert all(shop.introspect(one).json["active"] for one in tokens.values() if one in {disabled.tokens.access, promoted.tokens.access})
    house.service(Administration).disable(user_id=disabled.id, caller=None, client=TERMINAL)
    change_role(house, promoted, "moderator")
    house.client().post(f"{API}/auth/logout", headers=ended.headers)
    assert refresh(house, used.tokens.refresh).status_code == 200

    answers = {name: shop.introspect(token) for name, token in tokens.items()}

    for answer in answers.values():
        assert_inactive(answer)
    budgeted = {"RateLimit"}
    seen = {
        (status, tuple((name, value) for name, value in headers if name not in budgeted), body)
        for status, headers, body in map(as_seen, answers.values())
    }
    assert len(seen) == 1
    assert shop.introspect(good).json["active"] is True
    assert shop.introspect(person.tokens.refresh).json["active"] is True


def test_the_used_refresh_token_is_doubtful_inside_the_grace_too(make_house, engine):
    house = make_house(engine, refresh_reuse_grace_seconds=60)
    shop, person = add_service(house), house.register()
    successor = refresh(house, person.tokens.refresh).json["refresh_token"]

    assert_inactive(shop.introspect(person.tokens.refresh))
    assert shop.introspect(successor).json["active"] is True
    assert refresh(house, person.tokens.refresh).json["refresh_token"] == successor


def test_a_session_that_lay_unused_is_over_for_other_services_too(make_house, engine, clock):
    house = make_house(engine, clock=clock, refresh_token_expire_days=1, access_token_expire_minutes=1440)
    shop, person = add_service(house), house.register()
    assert shop.introspect(person.tokens.refresh).json["active"]

    clock.advance(timedelta(hours=24, seconds=1))

    assert_inactive(shop.introspect(person.tokens.refresh))
    assert_inactive(shop.introspect(person.tokens.access))


def test_an_access_token_is_over_at_the_latest_with_its_session(make_house, engine, clock):
    house = make_house(engine, clock=clock, refresh_token_expire_days=1, session_lifetime_days=1, access_token_expire_minutes=1440)
    clock.advance(-timedelta(hours=1))
    shop, person = add_service(house), house.register()
    assert jwt.decode(person.tokens.access, options={"verify_signature": False})["exp"] > clock.now().timestamp() + 24.5 * 3600

    exp = shop.introspect(person.tokens.access).json["exp"]

    assert exp == shop.introspect(person.tokens.refresh).json["exp"] == int(clock.now().timestamp()) + 24 * 3600


def test_copies_in_redis_are_not_believed(make_house):
    """Behind the application's back, so that no mark is set: whoever asks the store would still say that all is well."""
    house = make_house("scaled")
    shop, person = add_service(house), house.register()
    assert house.client().get(f"{API}/users/me", headers=person.headers).status_code == 200

    house.execute("UPDATE users SET status = :status", status=Status.DISABLED.value)

    assert_inactive(shop.introspect(person.tokens.access))
    assert_inactive(shop.introspect(person.tokens.refresh))


def test_on_four_workers_a_token_is_inactive_from_the_answer_on(live):
    shop, person = add_service(live.house), live.house.register()

    def ask():
        return live.post(INTROSPECT, headers=shop.headers, form={"token": person.tokens.access}).json["active"]

    assert {ask() for _ in range(12)} == {True}
    assert live.post(f"{API}/auth/logout", person=person).status == 200
    assert {ask() for _ in range(24)} == {False}
