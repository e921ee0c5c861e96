"""Other services at our door (RFC 6749 section 2.3.1): how they prove themselves, and what is wrong with what they send."""

import base64

import pytest
import schemathesis

from journeys.answers import as_seen, assert_headers, assert_problem
from journeys.test_schemathesis import complaints, configured
from secureapi.auth.service import Clients
from secureapi.core.requests import Client
from support.cases import Cases
from support.services_of_others import INTROSPECT, REVOKE, add_service, assert_oauth_problem, basic

API = "/api/v1"
FORM = "application/x-www-form-urlencoded"
TERMINAL = Client.of_command_line()


@pytest.fixture
def shop(house):
    return add_service(house)


def assert_inactive(answer):
    """It was let in, and its token was none."""
    assert (answer.status_code, answer.json) == (200, {"active": False})
    assert_headers(answer)


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


def test_a_broken_proof_is_no_proof_and_no_crash(house):
    with Cases() as case:
        for path in (INTROSPECT, REVOKE):
            for name, header in BROKEN.items():
                with case(path, name):
                    answer = house.client().post(path, headers={"Authorization": header}, data={"token": "x"})

                    assert_oauth_problem(answer, 401, "invalid_client")


def test_an_incomplete_proof_is_none(house):
    with Cases() as case:
        for fields in ({}, {"client_id": "shop"}, {"client_secret": "x"}, {"client_id": "a\x01", "client_secret": "\ud7ff"}):
            with case(fields):
                assert_oauth_problem(house.client().post(INTROSPECT, data={"token": "x"} | fields), 401, "invalid_client")


def test_neither_is_a_strange_one_in_json(house):
    with Cases() as case:
        for body in ([], "x", 5, None, {"client_id": 5, "client_secret": []}, {"client_id": {}, "client_secret": "x"}):
            with case(body):
                assert_oauth_problem(house.client().post(INTROSPECT, json=body), 401, "invalid_client")


def test_a_signed_in_administrator_is_no_client(house):
    admin = house.administrator()

    assert_oauth_problem(house.client().post(INTROSPECT, headers=admin.headers, data={"token": "x"}), 401, "invalid_client")


def test_a_client_is_nobody_at_the_doors_of_people(house, shop):
    for path in ("/users/me", "/auth/sessions", "/security/events"):
        assert_problem(house.client().get(API + path, headers=shop.headers), 401, "invalid_token")


def test_a_form_without_one_readable_token_is_an_invalid_request(house, shop):
    with Cases() as case:
        for path in (INTROSPECT, REVOKE):
            for body in (
                "",
                "token=",
                "token",
                "token=a&token=b",
                "token=%ff",
                "token=%00",
                "a" * 10 + "&=",
                "token=\xff",
                "&".join(f"a{n}=" for n in range(60)),
            ):
                with case(path, body):
                    answer = house.client().post(path, headers=shop.headers, data=body.encode("latin-1"), content_type=FORM)

                    assert_oauth_problem(answer, 400, "invalid_request")


def test_a_form_that_cannot_be_read_is_one_before_anybody_has_proved_himself(house):
    with Cases() as case:
        for body in (b"client_id=a&client_id=b", b"client_id=%ff", b"client_secret=%00&client_id=x"):
            with case(body):
                assert_oauth_problem(house.client().post(INTROSPECT, data=body, content_type=FORM), 400, "invalid_request")


def test_so_is_json_without_one(house, shop):
    with Cases() as case:
        for body in ("{", "[]", '{"token": 5}', '{"token": null}', '{"token": "a", "token": "b"}', '{"token": ["a"]}'):
            with case(body):
                answer = house.client().post(INTROSPECT, headers=shop.headers, data=body, content_type="application/json")

                assert_oauth_problem(answer, 400, "invalid_request")


def test_a_token_in_the_query_is_refused(house, shop):
    person = house.register()

    answer = house.client().post(f"{INTROSPECT}?token={person.tokens.access}", headers=shop.headers, data={"token": "x"})

    assert_problem(answer, 422, "invalid_input")


def test_other_kinds_of_body_are_refused(house, shop):
    with Cases() as case:
        for content_type in ("text/plain", "multipart/form-data; boundary=x", f"{FORM}; charset=utf-16", "application/jwt", None):
            with case(content_type):
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
    house = make_house(engine, rate_limit_per_minute=5, login_rate_limit="8/minute")
    shop, elsewhere = add_service(house), from_elsewhere()

    def guess():
        return house.client().post(INTROSPECT, headers=basic(shop.id, "wrong"), data={"token": "x"}, **elsewhere).status_code

    assert [guess() for _ in range(20)] == [401] * 5 + [429] * 15
    assert len(house.events("auth.client.refused")) == 8
    assert shop.introspect("x").status_code == 200


def test_a_client_finds_no_answer_that_is_not_described(make_live):
    """On PostgreSQL, which is the pickier one about what it is asked."""
    live = make_live("scaled", log_level="ERROR", web_concurrency=1)
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
