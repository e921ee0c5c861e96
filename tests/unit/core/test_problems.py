import json

import pytest
from flask import abort, redirect
from marshmallow import ValidationError
from structlog.testing import capture_logs
from werkzeug.exceptions import HTTPException

from secureapi.core import errors
from secureapi.core.errors import Fault, every_reason
from secureapi.core.problems import MEDIA_TYPE, STATUS, faults_of, status_of

CANARY = "canary-7f3a"


def answer_to(app, raised, **request):
    """What a client gets when a view raises this."""

    @app.get("/raise")
    def view():
        raise raised

    return app.test_client().get("/raise", **request)


def test_a_problem_has_every_member_of_rfc_9457_and_of_ours(bare_app):
    answer = answer_to(
        bare_app, errors.Invalid(faults=[Fault("/name", "type", "Text is expected.")]), headers={"X-Request-ID": "request-0001"}
    )
    assert (answer.status_code, answer.content_type) == (422, MEDIA_TYPE)
    assert answer.json == {
        "type": "/problems/invalid_input",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "Some of the input is not valid; see errors.",
        "instance": "/requests/request-0001",
        "code": "invalid_input",
        "request_id": "request-0001",
        "errors": [{"pointer": "/name", "code": "type", "detail": "Text is expected."}],
    }


@pytest.mark.parametrize(("kind", "status"), STATUS.items(), ids=lambda value: getattr(value, "__name__", None))
def test_each_kind_of_refusal_has_its_status(bare_app, kind, status):
    class Reason(kind):
        code = "some_reason"

    answer = answer_to(bare_app, Reason())
    assert (answer.status_code, answer.json["code"], answer.json["status"]) == (status, "some_reason", status)


def test_every_reason_of_every_room_has_a_status_a_code_and_a_sentence():
    import secureapi.auth.errors
    import secureapi.security.errors
    import secureapi.users.errors  # noqa: F401 - imported so that every reason exists

    reasons = [reason for reason in every_reason() if reason.__module__.startswith("secureapi.")]
    assert len(reasons) > 15
    for reason in reasons:
        assert 400 <= status_of(reason) < 600
        assert reason.code.replace("_", "").isalpha()
        assert reason.code == reason.code.lower()
        assert reason.detail


def test_who_is_not_signed_in_is_told_how(bare_app):
    assert answer_to(bare_app, errors.Unauthenticated()).headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("left", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.1, "2"), (59.01, "60")])
def test_retry_after_is_the_time_that_is_left_in_whole_seconds_and_never_nought(bare_app, left, header):
    assert answer_to(bare_app, errors.TooMany(retry_after=left)).headers["Retry-After"] == header


def test_retry_after_stands_on_429_and_503_only(bare_app):
    assert "Retry-After" not in answer_to(bare_app, errors.Denied(retry_after=5)).headers
    assert "Retry-After" not in bare_app.test_client().get("/nowhere").headers


def test_an_unavailable_service_says_when_to_come_back(bare_app):
    assert answer_to(bare_app, errors.Unavailable(retry_after=2)).headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    "accident",
    [
        RuntimeError(f"secret {CANARY}"),
        KeyError(CANARY),
        UnicodeEncodeError("utf-8", f"{CANARY}\ud800", 0, 1, CANARY),
        type(f"Strange{CANARY.replace('-', '')}", (Exception,), {})(CANARY),
    ],
    ids=lambda error: type(error).__mro__[1].__name__,
)
def test_an_accident_tells_a_stranger_nothing_and_the_log_where(bare_app, accident):
    with capture_logs() as logs:
        answer = answer_to(bare_app, accident)
    assert answer.status_code == 500
    assert answer.json["code"] == "internal_error"
    assert CANARY not in answer.text
    assert "Traceback" not in answer.text
    (line,) = (entry for entry in logs if entry["event"] == "request.crashed")
    assert line["where"][-1].endswith(" view")
    assert CANARY not in repr(line)


@pytest.mark.parametrize(
    "status",
    [400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 422, 429, 431, 451, 500, 501, 502, 503, 504],
)
def test_every_error_of_the_framework_is_a_problem_without_its_text(bare_app, status):
    @bare_app.get("/abort")
    def view():
        abort(status, description=CANARY)

    answer = bare_app.test_client().get("/abort")
    assert (answer.status_code, answer.content_type, answer.json["status"]) == (status, MEDIA_TYPE, status)
    assert CANARY not in answer.text


def test_an_error_with_a_status_nobody_has_registered_is_answered_too(bare_app):
    class Odd(HTTPException):
        code = 499
        description = CANARY

    answer = answer_to(bare_app, Odd())
    assert (answer.status_code, answer.content_type) == (499, MEDIA_TYPE)


def test_a_wrong_method_is_told_the_right_ones(bare_app):
    @bare_app.route("/post", methods=["POST"])
    def view():
        return ""

    answer = bare_app.test_client().get("/post")
    assert (answer.status_code, answer.content_type) == (405, MEDIA_TYPE)
    assert answer.headers["Allow"] == "OPTIONS, POST"


def test_a_redirect_is_no_problem(bare_app):
    @bare_app.get("/old")
    def view():
        abort(redirect("/new"))

    answer = bare_app.test_client().get("/old")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/new")


def test_a_validation_error_is_a_422_with_pointers(bare_app):
    answer = answer_to(bare_app, ValidationError({"a": {0: {"b": ["Not a valid integer."]}}, "_schema": [CANARY]}))
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json["errors"]] == ["", "/a/0/b"]
    assert CANARY not in answer.text


def test_a_flood_of_faults_is_cut(bare_app):
    answer = answer_to(bare_app, errors.Invalid(faults=[Fault(f"/{n}", "type", "x") for n in range(10_000)]))
    assert len(answer.json["errors"]) == 50


def test_messages_nest_as_the_input_nests():
    found = faults_of(ValidationError({"users": {1: {"name": ["x"], "_schema": ["y"]}}, "a/b~c": ["z"]}))
    assert [fault.pointer for fault in found] == ["/?", "/users/1/name", "/users/1"]


def test_a_problem_is_ascii_whatever_it_says(bare_app):
    answer = answer_to(bare_app, errors.Malformed(detail="Nicht lesbar: ü"))
    assert answer.data.isascii()
    assert json.loads(answer.data)["detail"] == "Nicht lesbar: ü"
