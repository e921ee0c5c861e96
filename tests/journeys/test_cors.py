"""Whose pages may read our answers: exact origins, and nobody who looks like one."""

# ruff: noqa: RUF001 - letters that look alike are the subject here

import pytest

from journeys.answers import assert_headers, assert_problem
from support.cases import Cases

GOOD = "https://app.example.com"
OTHER = "http://localhost:3000"
LOGIN = "/api/v1/auth/login"
STRANGERS = [
    *("null", "https://evil.example", "https://app.example.com.evil.example", "https://evilapp.example.com", "https://appXexample.com"),
    *("http://app.example.com", "https://app.example.com:8443", "https://app.example.com:443", "https://sub.app.example.com"),
    *("https://app_example.com", "https://app.example.com@evil.example", "https://app.example.com/", "https://example.com", "*", ""),
    *("https://app.example.com, https://evil.example", "file://", "https://app.example.com%00.evil.example", "http://localhost:3001"),
    *("https://аpp.example.com", "app.example.com", "https://app.example.com evil"),
]


@pytest.fixture
def house(make_house):
    return make_house(cors_origins=f"{GOOD},{OTHER}")


def preflight(house, origin, method="PATCH", path="/api/v1/users/me", headers="authorization,content-type"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return house.client().options(path, headers=asked)


def cors_headers(answer):
    return {name for name, _ in answer.headers if name.lower().startswith("access-control-")}


def test_a_page_of_a_listed_origin_may_read_and_is_named(house):
    with Cases() as case:
        for origin in (GOOD, OTHER):
            with case(origin):
                answer = house.client().post(LOGIN, json={}, headers={"Origin": origin})

                assert_problem(answer, 422)
                assert answer.headers["Access-Control-Allow-Origin"] == origin
                assert "Origin" in answer.headers["Vary"]
                assert "Access-Control-Allow-Credentials" not in answer.headers
                exposed = {name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")}
                assert exposed == {"X-Request-ID", "RateLimit", "RateLimit-Policy", "Retry-After", "Link", "Idempotency-Replayed"}


def test_a_stranger_who_looks_like_a_listed_origin_gets_nothing(house):
    with Cases() as case:
        for origin in STRANGERS:
            with case(origin):
                environ = {"HTTP_ORIGIN": origin.encode().decode("latin-1")}
                answer = house.client().post(LOGIN, json={}, environ_overrides=environ)
                asked = house.client().options(
                    "/api/v1/users/me", headers={"Access-Control-Request-Method": "PATCH"}, environ_overrides=environ
                )

                for seen in (answer, asked):
                    assert cors_headers(seen) == set()


def test_whoever_sends_no_origin_is_told_of_none(house):
    assert cors_headers(house.client().post(LOGIN, json={})) == set()


def test_a_cache_is_told_that_the_origin_matters_whoever_asks(house):
    with Cases() as case:
        for headers in ({}, {"Origin": GOOD}, {"Origin": "https://evil.example"}):
            for path in ("/docs/assets/start.js", "/openapi.json", "/nothing"):
                with case(headers, path):
                    answer = house.client().get(path, headers=headers, buffered=True)

                    assert "Origin" in answer.headers.get("Vary", "")


def test_the_preflight_of_a_protected_endpoint_is_answered_without_credentials(house):
    with Cases() as case:
        for path in ("/api/v1/users/me", "/users/me", "/api/v1/security/events", "/api/v1/users", "/api/v1/auth/logout"):
            with case(path):
                answer = preflight(house, GOOD, path=path)

                assert answer.status_code in {200, 204}
                assert answer.headers["Access-Control-Allow-Origin"] == GOOD
                allowed = {method.strip() for method in answer.headers["Access-Control-Allow-Methods"].split(",")}
                assert allowed == {"GET", "POST", "PUT", "PATCH", "DELETE"}
                assert answer.headers["Access-Control-Max-Age"] == "600"
                assert {"authorization", "content-type"} <= {
                    h.strip().lower() for h in answer.headers["Access-Control-Allow-Headers"].split(",")
                }
                assert answer.data == b""
                assert_headers(answer)


def test_a_header_that_is_not_listed_is_not_allowed(house):
    answer = preflight(house, GOOD, headers="x-evil,authorization")

    assert "x-evil" not in answer.headers["Access-Control-Allow-Headers"].lower()


def test_a_preflight_changes_and_tells_nothing(house):
    person = house.register()

    answer = house.client().options(
        "/api/v1/auth/logout", headers=person.headers | {"Origin": GOOD, "Access-Control-Request-Method": "POST"}
    )

    assert answer.data == b""
    assert house.client().get("/api/v1/users/me", headers=person.headers).status_code == 200


def test_a_preflight_of_what_does_not_exist_is_404(house):
    assert_problem(preflight(house, GOOD, path="/api/v1/nothing"), 404)


def test_credentials_are_only_allowed_where_the_operator_said_so(make_house):
    house = make_house(cors_origins=GOOD, cors_allow_credentials=True)

    allowed = house.client().post(LOGIN, json={}, headers={"Origin": GOOD})
    stranger = house.client().post(LOGIN, json={}, headers={"Origin": "https://evil.example"})

    assert (allowed.headers["Access-Control-Allow-Credentials"], allowed.headers["Access-Control-Allow-Origin"]) == ("true", GOOD)
    assert cors_headers(stranger) == set()


def test_nobody_is_allowed_where_no_origin_is_listed(make_house):
    house = make_house()

    for origin in (GOOD, "null", "*"):
        assert cors_headers(house.client().post(LOGIN, json={}, headers={"Origin": origin})) == set()
        assert cors_headers(preflight(house, origin)) == set()
