"""Every answer that is no success: one format, all members, all headers, and nothing about our insides."""

import json

import pytest
from flask import Blueprint
from jsonschema import Draft202012Validator

from journeys.answers import assert_headers, assert_problem, body_of
from secureapi.core.errors import Conflict, Unavailable
from secureapi.core.problems import STATUS
from secureapi.security.guard import public
from support.cases import Cases

CANARY = "canary-7f3a"


def boom():
    raise RuntimeError(f"{CANARY} in /srv/secret/path.py: SELECT * FROM users")


def chained():
    try:
        boom()
    except RuntimeError as error:
        raise KeyError(CANARY) from error


def away():
    raise Unavailable(retry_after=1.2)


def clash():
    raise Conflict


def deep():
    return deep()


@pytest.fixture
def troubled(make_house):
    blueprint = Blueprint("trouble", __name__, url_prefix="/trouble")
    for view in (boom, chained, away, clash, deep):
        blueprint.add_url_rule(f"/{view.__name__}", view.__name__, public(view), methods=["GET", "POST"])
    return make_house(blueprints=(blueprint,), log_level="ERROR")


@pytest.mark.parametrize("accident", ["boom", "chained", "deep"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_accident_says_nothing_about_itself(troubled, accident, method, capsys):
    answer = troubled.client().open(f"/trouble/{accident}", method=method, headers={"X-Request-ID": "accident-0001"})

    problem = assert_problem(answer, 500, "internal_error")
    assert problem["detail"] == "An unexpected error occurred. Please try again later."
    assert CANARY not in answer.text
    written = capsys.readouterr().out
    assert CANARY not in written
    (line,) = [json.loads(line) for line in written.splitlines() if "request.crashed" in line]
    assert line["request_id"] == "accident-0001"
    assert "test_problems.py" in line["where"]


def test_what_is_away_for_a_while_says_for_how_long(troubled):
    answer = troubled.client().get("/trouble/away")

    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "2"


def test_a_clash_is_409(troubled):
    assert_problem(troubled.client().get("/trouble/clash"), 409, "conflict")


def test_every_status_has_one_kind_of_refusal():
    assert {400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 503} == set(STATUS.values())


def provocations():
    login, good = "/api/v1/auth/login", {"username": "nobody-x", "password": "x"}
    return {
        "400 not json": (400, "POST", login, {"data": "{", "content_type": "application/json"}),
        "401 stranger": (401, "GET", "/api/v1/users/me", {}),
        "401 bad token": (401, "GET", "/api/v1/users/me", {"headers": {"Authorization": "Bearer x.y.z"}}),
        "401 wrong password": (401, "POST", login, {"json": good}),
        "404 nothing": (404, "GET", "/api/v1/nothing", {}),
        "404 outside": (404, "GET", f"/{CANARY}/<script>", {}),
        "404 version": (404, "GET", "/api/v2/users/me", {}),
        "404 file": (404, "GET", "/docs/assets/../../settings/model.py", {}),
        "404 asset": (404, "GET", "/docs/assets/index.html", {}),
        "404 dot files": (404, "GET", "/.env", {}),
        "405 get": (405, "GET", login, {}),
        "405 trace": (405, "TRACE", "/api/v1/users/me", {}),
        "405 unknown": (405, "PROPFIND", "/api/v1/users/me", {}),
        "405 head": (405, "HEAD", login, {}),
        "413 announced": (413, "POST", login, {"data": b"x" * 1_048_577, "content_type": "application/json"}),
        "413 nobody's": (413, "GET", "/livez", {"data": b"x" * 1_048_577}),
        "415 text": (415, "POST", login, {"data": json.dumps(good), "content_type": "text/plain"}),
        "415 nothing": (415, "POST", login, {"data": json.dumps(good)}),
        "422 shape": (422, "POST", login, {"json": {}}),
        "422 query": (422, "GET", "/livez?x=1", {}),
    }


def test_every_refusal_is_a_complete_problem_document_with_every_header(house):
    described = house.client().get("/openapi.json").json["components"]["schemas"]
    validator = Draft202012Validator(described["Problem"] | {"components": {"schemas": described}})

    with Cases() as case:
        for name, (status, method, path, options) in provocations().items():
            with case(name):
                answer = house.client().open(path, method=method, **options)

                if method == "HEAD":
                    assert (answer.status_code, answer.data) == (405, b"")
                    assert_headers(answer)
                    continue
                problem = assert_problem(answer, status)
                assert CANARY not in answer.text
                if status == 405:
                    assert answer.headers["Allow"]
                assert list(validator.iter_errors(problem)) == []


def test_the_headers_are_on_good_answers_too(house):
    with Cases() as case:
        for path in ("/livez", "/readyz", "/health", "/openapi.json", "/docs/assets/start.js"):
            with case(path):
                answer = house.client().get(path, buffered=True)

                assert answer.status_code == 200
                assert_headers(answer)
                assert "Strict-Transport-Security" not in answer.headers
                assert "Set-Cookie" not in answer.headers


def test_over_tls_browsers_are_told_to_stay_there(house):
    for path in ("/livez", "/nothing"):
        answer = house.client().get(path, base_url="https://localhost")
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_a_well_formed_request_id_is_taken_over(house):
    with Cases() as case:
        for offered in ("abcdefgh", "0" * 64, "a.b_c-d.1234"):
            with case(offered):
                answer = house.client().get("/nothing", headers={"X-Request-ID": offered})

                assert assert_problem(answer, 404)["request_id"] == offered


def test_any_other_request_id_is_replaced_by_one_of_ours(house):
    with Cases() as case:
        for offered in ("short", "x" * 65, "with space", "-leading", "<script>alert(1)", "a\tb-cdefgh", "ünïcodeüü", ""):
            with case(offered):
                answer = house.client().get("/nothing", environ_overrides={"HTTP_X_REQUEST_ID": offered})

                made = assert_problem(answer, 404)["request_id"]
                assert made != offered
                assert made[14] == "7"


def test_ids_of_requests_sort_by_time(house):
    client = house.client()

    ids = [client.get("/livez").headers["X-Request-ID"][:13] for _ in range(5)]

    assert ids == sorted(ids)


def test_a_trace_context_is_passed_on_and_a_broken_one_is_not(house):
    good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    assert house.client().get("/livez", headers={"traceparent": good}).headers["traceparent"] == good
    for broken in ("ff" + good[2:], good.upper(), "00-" + "0" * 32 + good[35:], "x", good + "\t"):
        assert "traceparent" not in house.client().get("/livez", environ_overrides={"HTTP_TRACEPARENT": broken}).headers


def test_no_version_of_anything_is_told(house):
    for path in ("/health", "/livez", "/readyz", "/nothing"):
        answer = house.client().get(path)
        assert not any(character.isdigit() for character in body_of(answer).replace(answer.headers["X-Request-ID"], "").replace("404", ""))
