"""Introspection (RFC 7662): what other services learn about our tokens, and what they do not."""

import base64
import time
from datetime import timedelta

import jwt
import pytest
import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import event

from journeys.answers import as_seen, assert_headers, assert_problem
from journeys.test_schemathesis import complaints, configured
from secureapi.auth.keys import KeyRing
from secureapi.auth.service import Clients, Credentials
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.users.models import Status
from support.races import change_role
from support.services_of_others import INTROSPECT, REVOKE, add_service, assert_oauth_problem, basic

API = "/api/v1"
FORM = "application/x-www-form-urlencoded"
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
    house.service(Credentials).disable(user_id=disabled.id, client=TERMINAL)
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


def test_the_secret_may_come_in_the_form_instead(house, shop):
    person = house.register()
    proof = {"client_id": shop.id, "client_secret": shop.secret}

    answer = house.client().post(INTROSPECT, data={"token": person.tokens.access} | proof)
    assert (answer.status_code, answer.json["active"]) == (200, True)
    answer = house.client().post(INTROSPECT, json={"token": person.tokens.access} | proof)
    assert (answer.status_code, answer.json["active"]) == (200, True)


def test_the_id_may_be_repeated_in_the_form_and_nothing_else(house, shop):
    other = add_service(house)

    def ask(**fields):
        return house.client().post(INTROSPECT, headers=shop.headers, data={"token": "x"} | fields)

    assert_inactive(ask(client_id=shop.id))
    assert_inactive(ask(client_id="", client_secret=""))
    for fields in ({"client_secret": shop.secret}, {"client_id": other.id}, {"client_id": other.id, "client_secret": other.secret}):
        assert_oauth_problem(ask(**fields), 400, "invalid_request")


def test_an_unknown_client_and_a_wrong_secret_are_answered_alike_and_remembered(house, shop):
    known, unknown = shop.id, f"{shop.id}-not"
    before = len(house.events("auth.client.refused"))

    answers = [house.client().post(INTROSPECT, headers=basic(name, "sac_" + "x" * 43), data={"token": "x"}) for name in (known, unknown)]

    for answer in answers:
        assert_oauth_problem(answer, 401, "invalid_client")
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="secureapi", charset="UTF-8"'
    (status, headers, body), other = (as_seen(answer) for answer in answers)
    spent = ("RateLimit",)
    assert (status, body) == (other[0], other[2])
    assert [pair for pair in headers if pair[0] not in spent] == [pair for pair in other[1] if pair[0] not in spent]
    events = house.events("auth.client.refused")[before:]
    assert len(events) == 2
    assert events[0].details["client_id"] != events[1].details["client_id"]
    assert shop.id not in str([event.details for event in events])


BROKEN = {
    "no base64": "Basic ???",
    "nothing": "Basic ",
    "no scheme": "sac_x",
    "only the scheme": "Basic",
    "a bearer token": "Bearer abc",
    "no colon": "Basic " + base64.b64encode(b"shop").decode(),
    "no UTF-8": "Basic " + base64.b64encode(b"\xff\xfe:\x80").decode(),
    "NUL": "Basic " + base64.b64encode(b"a\x00b:c\x00").decode(),
    "NUL, escaped": "Basic " + base64.b64encode(b"a%00b:c%00").decode(),
    "surrogate": "Basic " + base64.b64encode(b"%ED%A0%80:x").decode(),
    "long": "Basic " + base64.b64encode(b"x" * 1_000_000).decode(),
    "long id": "Basic " + base64.b64encode(b"x" * 300 + b":y").decode(),
    "two": "Basic YTpi, Basic YTpi",
    "bytes": "Basic \xe9\xff",
    "padding": "Basic YTpi====",
    "lines": "Basic YT\tpi",
}


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
@pytest.mark.parametrize("header", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_proof_is_no_proof_and_no_crash(house, header, path):
    answer = house.client().post(path, headers={"Authorization": header}, data={"token": "x"})

    assert_oauth_problem(answer, 401, "invalid_client")


@pytest.mark.parametrize("fields", [{}, {"client_id": "shop"}, {"client_secret": "x"}, {"client_id": "a\x01", "client_secret": "\ud7ff"}])
def test_an_incomplete_proof_is_none(house, fields):
    assert_oauth_problem(house.client().post(INTROSPECT, data={"token": "x"} | fields), 401, "invalid_client")


@pytest.mark.parametrize("body", [[], "x", 5, None, {"client_id": 5, "client_secret": []}, {"client_id": {}, "client_secret": "x"}])
def test_neither_is_a_strange_one_in_json(house, body):
    assert_oauth_problem(house.client().post(INTROSPECT, json=body), 401, "invalid_client")


def test_a_signed_in_administrator_is_no_client(house):
    admin = house.administrator()

    assert_oauth_problem(house.client().post(INTROSPECT, headers=admin.headers, data={"token": "x"}), 401, "invalid_client")


def test_a_client_is_nobody_at_the_doors_of_people(house, shop):
    for path in ("/users/me", "/auth/sessions", "/security/events"):
        assert_problem(house.client().get(API + path, headers=shop.headers), 401, "invalid_token")


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
@pytest.mark.parametrize(
    "body",
    [
        "",
        "token=",
        "token",
        "token=a&token=b",
        "token=%ff",
        "token=%00",
        "a" * 10 + "&=",
        "token=\xff",
        "&".join(f"a{n}=" for n in range(60)),
    ],
)
def test_a_form_without_one_readable_token_is_an_invalid_request(house, shop, path, body):
    answer = house.client().post(path, headers=shop.headers, data=body.encode("latin-1"), content_type=FORM)

    assert_oauth_problem(answer, 400, "invalid_request")


@pytest.mark.parametrize("body", [b"client_id=a&client_id=b", b"client_id=%ff", b"client_secret=%00&client_id=x"])
def test_a_form_that_cannot_be_read_is_one_before_anybody_has_proved_himself(house, body):
    assert_oauth_problem(house.client().post(INTROSPECT, data=body, content_type=FORM), 400, "invalid_request")


@pytest.mark.parametrize("body", ["{", "[]", '{"token": 5}', '{"token": null}', '{"token": "a", "token": "b"}', '{"token": ["a"]}'])
def test_so_is_json_without_one(house, shop, body):
    answer = house.client().post(INTROSPECT, headers=shop.headers, data=body, content_type="application/json")

    assert_oauth_problem(answer, 400, "invalid_request")


def test_a_token_in_the_query_is_refused(house, shop):
    person = house.register()

    answer = house.client().post(f"{INTROSPECT}?token={person.tokens.access}", headers=shop.headers, data={"token": "x"})

    assert_problem(answer, 422, "invalid_input")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data; boundary=x", f"{FORM}; charset=utf-16", "application/jwt", None]
)
def test_other_kinds_of_body_are_refused(house, shop, content_type):
    answer = house.client().post(INTROSPECT, headers=shop.headers, data=b"token=x", content_type=content_type)

    assert_problem(answer, 415, "unsupported_media_type")


def test_a_body_beyond_the_limit_is_refused_from_strangers_and_clients(make_house):
    house = make_house(max_body_bytes=2048)
    shop = add_service(house)

    assert_problem(house.client().post(INTROSPECT, data={"token": "x" * 3000}), 413)
    assert_problem(shop.introspect("x" * 3000), 413)


def test_it_is_asked_with_post_only(house, shop):
    assert_problem(house.client().get(INTROSPECT, headers=shop.headers), 405)


def test_a_new_secret_and_a_removal_take_effect_at_once(house, shop):
    clients = house.service(Clients)
    assert_inactive(shop.introspect("x"))

    newer = clients.change_secret(client_id=shop.id, client=TERMINAL)
    assert_oauth_problem(shop.introspect("x"), 401, "invalid_client")
    assert_inactive(house.client().post(INTROSPECT, headers=basic(shop.id, newer), data={"token": "x"}))

    clients.remove(client_id=shop.id, client=TERMINAL)
    assert_oauth_problem(house.client().post(INTROSPECT, headers=basic(shop.id, newer), data={"token": "x"}), 401, "invalid_client")


def test_each_client_has_a_budget_of_its_own(make_house, engine):
    house = make_house(engine, client_rate_limit="3/minute")
    shop, bank = add_service(house), add_service(house)

    assert [shop.introspect("x").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert bank.introspect("x").status_code == 200


def test_whoever_guesses_secrets_uses_up_the_budget_of_his_address_and_fills_no_trail(make_house, engine, from_elsewhere):
    house = make_house(engine, rate_limit_per_minute=5, client_rate_limit="8/minute")
    shop, elsewhere = add_service(house), from_elsewhere()

    def guess():
        return house.client().post(INTROSPECT, headers=basic(shop.id, "wrong"), data={"token": "x"}, **elsewhere).status_code

    assert [guess() for _ in range(20)] == [401] * 5 + [429] * 15
    assert len(house.events("auth.client.refused")) == 8
    assert shop.introspect("x").status_code == 200


def test_a_client_finds_no_answer_that_is_not_described(make_live, engine):
    live = make_live(engine, log_level="ERROR")
    shop = add_service(live.house)
    described = schemathesis.openapi.from_url(f"{live.url}/openapi.json", config=configured())
    schema = described.include(path_regex="/(introspect|revoke)$")

    @schema.auth()
    class Shop:
        """The client, on every request."""

        def get(self, case, context):
            return shop.headers["Authorization"]

        def set(self, case, header, context):
            case.headers["Authorization"] = header

    found, requests = complaints(schema)

    assert found == []
    assert requests > 50
    assert "crashed" not in live.log()
