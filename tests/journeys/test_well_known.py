"""What other services may fetch: the public keys and the metadata, by strangers, as often as they like."""

import json

import jwt
import pytest
from sqlalchemy import event

from journeys.answers import assert_headers, assert_problem
from secureapi.auth.keys import KeyRing, thumbprint
from secureapi.auth.service import SigningKeys
from secureapi.core.database import Database
from secureapi.core.requests import Client
from support.cases import Cases

JWKS, METADATA = "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"
TERMINAL = Client(address="", user_agent="tests", request_id="request-0001")
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture(params=[JWKS, METADATA], ids=["keys", "metadata"])
def page(request):
    return request.param


def verified(house, token, algorithm="ES256"):
    """What a resource server reads from a token that it verifies with nothing but the published keys."""
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(house.client().get(JWKS).json).keys}
    header = jwt.get_unverified_header(token)
    return jwt.decode(token, keys[header["kid"]].key, [algorithm], audience=house.settings.token_audience, issuer=house.settings.public_url)


def test_a_resource_server_verifies_our_tokens_with_what_is_published(house):
    person = house.register()
    assert verified(house, person.tokens.access)["sub"] == person.id


def test_only_public_members_are_published(house):
    keys = house.client().get(JWKS).json["keys"]
    assert len(keys) >= 2, "the one that signs and the one that follows"
    for key in keys:
        assert not PRIVATE_MEMBERS & key.keys()
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (key["use"], key["alg"], key["kid"]) == ("sig", "ES256", thumbprint(key))


def test_before_during_and_after_a_rotation_the_keys_are_there(make_house, engine, clock):
    from datetime import timedelta

    house = make_house(engine, clock=clock)

    def kids():
        return {key["kid"] for key in house.client().get(JWKS).json["keys"]}

    old = house.person().tokens.access
    first = jwt.get_unverified_header(old)["kid"]
    before = kids()
    second = house.service(SigningKeys).rotate(client=TERMINAL)
    during = kids()
    assert first in before
    assert second in before, "published before it signs"
    assert before < during
    assert verified(house, old)
    new = house.person().tokens.access
    assert jwt.get_unverified_header(new)["kid"] == second
    assert verified(house, new)
    clock.advance(timedelta(hours=24))
    assert kids() == during - {first}


def test_an_answer_may_be_kept_for_five_minutes_by_anybody(house, page):
    answer = house.client().get(page)
    assert answer.status_code == 200
    assert_headers(answer)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in answer.headers
    assert "Vary" not in answer.headers
    assert "RateLimit" not in answer.headers
    tag, is_weak = answer.get_etag()
    assert tag
    assert is_weak is False


def test_whoever_has_it_already_gets_nothing_again(house, page):
    first = house.client().get(page)

    with Cases() as case:
        for spelling in ("{}", "W/{}", '"other", {}', "*"):
            with case(spelling):
                again = house.client().get(page, headers={"If-None-Match": spelling.format(first.headers["ETag"])})
                assert (again.status_code, again.data) == (304, b"")
                assert again.headers["ETag"] == first.headers["ETag"]
                assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


def test_whoever_has_an_older_one_gets_the_new_one(make_house):
    house = make_house()
    first = house.client().get(JWKS)
    assert house.client().get(JWKS).headers["ETag"] == first.headers["ETag"]
    house.service(SigningKeys).rotate(client=TERMINAL)
    again = house.client().get(JWKS, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200
    assert again.headers["ETag"] != first.headers["ETag"]


def test_a_question_for_the_head_alone_is_answered(house, page):
    whole, head = house.client().get(page), house.client().head(page)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert head.headers["Content-Length"] == str(len(whole.data))


def test_nothing_else_can_be_done_with_it(house, page):
    assert_problem(house.client().post(page, json={}), 405)
    assert_problem(house.client().get(f"{page}?kid=x"), 422)


def test_no_query_is_made_for_an_answer(make_house, page):
    house = make_house()
    house.client().get(page)
    database, statements = house.service(Database), []
    for engine in (database.engine, database.reader):
        event.listen(engine, "before_cursor_execute", lambda conn, cursor, statement, *rest: statements.append(statement))
    for _ in range(20):
        assert house.client().get(page).status_code == 200
    assert statements == []


def test_a_thousand_verifiers_behind_one_address_are_all_answered(make_house, page):
    house = make_house(rate_limit_per_minute=5)
    assert {house.client().get(page).status_code for _ in range(20)} == {200}


def test_the_last_known_keys_are_served_while_the_database_is_away(make_services, make_house):
    services = make_services()
    house = make_house("scaled", services=services, database_timeout_seconds=1.0)
    person = house.register()
    assert person.headers
    before = house.client().get(JWKS)
    services.postgres.stop()
    house.service(KeyRing)._look_again_at = house.service(KeyRing)._wait_from = float("-inf")  # as if ten seconds had gone by
    after = house.client().get(JWKS)
    assert (after.status_code, after.data) == (200, before.data)
    assert verified(house, person.tokens.access)["sub"] == person.id
    # Somebody who has never seen a key does not pretend that there are none.
    house.service(KeyRing)._looked_at = float("-inf")
    house.service(KeyRing)._look_again_at = float("-inf")
    assert_problem(house.client().get(JWKS), 503)


@pytest.mark.parametrize("algorithm", ["EdDSA", "HS256"])
def test_every_kind_of_algorithm_starts_and_serves(make_live, algorithm):
    """With keys that are published, and without. Every other server here signs with ES256; RS256 is in test_forged_tokens.py."""
    live = make_live("embedded", jwt_algorithm=algorithm)
    assert live.get("/readyz").status == 200
    person = live.house.person()
    fresh = live.post("/api/v1/auth/login", json={"username": person.username, "password": person.password})
    assert fresh.status == 200
    token = fresh.json["access_token"]
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert live.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"}).status == 200
    published = live.get(JWKS).json["keys"]
    if algorithm == "HS256":
        assert published == []
    else:
        assert {key["alg"] for key in published} == {algorithm}
        assert verified(live.house, token, algorithm)["sub"] == person.id
    assert live.get(METADATA).json["issuer"] == live.settings.public_url
    assert live.stop() == 0


class TestMetadata:
    def test_they_say_who_we_are_and_where_to_ask(self, make_house):
        house = make_house(public_url="https://auth.example.com", allowed_hosts=("localhost",))
        assert house.client().get(METADATA).json == {
            "issuer": "https://auth.example.com",
            "jwks_uri": "https://auth.example.com/.well-known/jwks.json",
            "introspection_endpoint": "https://auth.example.com/api/v1/auth/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "revocation_endpoint": "https://auth.example.com/api/v1/auth/revoke",
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "response_types_supported": [],
            "grant_types_supported": [],
            "service_documentation": "https://auth.example.com/docs",
        }

    def test_the_issuer_is_that_of_the_tokens(self, house):
        token = house.register().tokens.access
        claims = jwt.decode(token, options={"verify_signature": False})
        assert house.client().get(METADATA).json["issuer"] == claims["iss"]

    def test_every_address_in_it_is_one_of_ours(self, house):
        document = house.client().get(METADATA).json
        for name in ("jwks_uri", "introspection_endpoint", "revocation_endpoint", "service_documentation"):
            path = document[name].removeprefix(house.settings.public_url)
            assert house.client().get(path).status_code in {200, 405}, name

    def test_a_documentation_that_is_off_is_not_promised(self, make_house):
        assert "service_documentation" not in make_house(docs_access="off").client().get(METADATA).json

    def test_of_an_issuer_with_a_path_they_lie_at_the_root_too(self, make_house):
        """RFC 8414 section 3.1: the path of the issuer comes behind the well-known one."""
        house = make_house(public_url="https://example.com/identity")
        found = house.client().get(f"{METADATA}/identity")
        assert found.status_code == 200
        assert found.json["issuer"] == "https://example.com/identity"
        assert found.json["jwks_uri"] == "https://example.com/identity/.well-known/jwks.json"

    def test_the_host_that_a_stranger_names_is_not_in_it(self, house):
        document = house.client().get(METADATA, headers={"Host": "localhost:6666"})
        assert "6666" not in json.dumps(document.json)
