"""One's own account: what may be changed, what may not, and whose names are taken."""

import secrets

import pytest

from journeys.answers import assert_headers, assert_problem, faults
from support.cases import Cases

ME = "/api/v1/users/me"


@pytest.fixture(params=["put", "patch"])
def method(request):
    return request.param


def change(house, person, method="patch", **fields):
    return getattr(house.client(), method)(ME, headers=person.headers, json=fields)


def test_somebody_reads_his_own_account(house, base):
    person = house.register(full_name="Ada")

    answer = house.client().get(f"{base}/users/me", headers=person.headers)

    assert answer.status_code == 200
    assert_headers(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Authorization" in answer.headers["Vary"]
    assert (answer.json["id"], answer.json["email"], answer.json["full_name"]) == (person.id, person.email, "Ada")
    assert "password" not in answer.text
    assert "canonical" not in answer.text


def test_somebody_changes_his_profile_and_what_is_left_out_stays(house, method):
    person = house.register(full_name="Ada")

    answer = change(house, person, method, bio="Two\nlines, O'Brien & <b>bold</b>", website="https://example.com/~ada?x=1")

    assert answer.status_code == 200
    assert answer.json["bio"] == "Two\nlines, O'Brien & <b>bold</b>"
    assert (answer.json["full_name"], answer.json["website"]) == ("Ada", "https://example.com/~ada?x=1")
    assert answer.json["updated_at"] > answer.json["created_at"]
    (event,) = house.events("users.profile.changed", subject=person)
    assert event.details == {"fields": ["bio", "website"]}


def test_null_empties_what_may_be_empty_and_nothing_else(house, method):
    person = house.register(full_name="Ada")

    assert change(house, person, method, full_name=None).json["full_name"] is None
    for field in ("username", "email"):
        answer = change(house, person, method, **{field: None})
        assert_problem(answer, 422)
        assert faults(answer) == {f"/{field}": "null"}


FORBIDDEN = [
    *("role", "status", "is_active", "is_email_verified", "email_verified_at", "id", "password", "password_hash", "created_at"),
    *("updated_at", "username_canonical", "email_canonical", "is_superuser", "permissions", "__class__", "_sa_instance_state"),
]


def test_a_climber_cannot_slip_in_what_is_not_his_to_change(house, method):
    person = house.register()

    with Cases() as case:
        for field in FORBIDDEN:
            with case(field):
                answer = change(house, person, method, full_name="Changed", **{field: "admin"})

                assert_problem(answer, 422, "invalid_input")
                assert faults(answer) == {f"/{field}": "unknown_field"}
                assert house.client().get(ME, headers=person.headers).json["full_name"] is None


def test_an_impostor_cannot_take_a_name_that_somebody_has(house, method):
    """Of addresses nothing is told: see test_email_change.py."""
    victim, impostor = house.register(), house.register()

    with Cases() as case:
        for spelling in (str, str.upper):
            with case(spelling):
                answer = change(house, impostor, method, username=spelling(victim.username))

                problem = assert_problem(answer, 400, "profile_refused")
                assert "errors" not in problem
                assert victim.username not in answer.text
                assert house.client().get(ME, headers=impostor.headers).json["username"] == impostor.username


def test_a_change_that_is_refused_leaves_no_address_waiting(house, method):
    victim, impostor = house.register(), house.register()

    answer = change(house, impostor, method, username=victim.username, email=f"new-{secrets.token_hex(5)}@example.com")

    assert_problem(answer, 400, "profile_refused")
    assert house.client().get(ME, headers=impostor.headers).json["pending_email"] is None
    assert house.events("users.email.change_requested", subject=impostor) == []


def test_a_refused_change_of_a_name_is_remembered(house):
    victim, impostor = house.register(), house.register()
    assert impostor.headers
    before = {row.id for row in house.events()}

    change(house, impostor, username=victim.username)

    left = [row for row in house.events() if row.id not in before]
    assert [(row.actor_id, row.outcome) for row in left] == [(impostor.id, "failure")]
    assert victim.username not in str(left)


def test_names_are_free_again_when_their_owner_has_another(house):
    mover, successor = house.register(), house.register()
    change(house, mover, username=f"moved-{secrets.token_hex(4)}")

    assert change(house, successor, username=mover.username).status_code == 200


MALFORMED = {
    "username": ["ab", "a" * 51, "a b", "a\n", "me", "admin"],
    "email": ["nobody", "a@b", "a@example.com\n", "a" * 250 + "@example.com"],
    "full_name": ["x" * 101, "a\nb", "\u202eevil"],
    "bio": ["x" * 501, "a\u0007b", "a\u001b[2J"],
    "website": [
        "javascript:alert(1)",
        "//example.com",
        "ftp://example.com",
        "https://",
        "https://a b",
        'https://a"b',
        "https://a\n",
        "data:,x",
    ],
}


def test_a_malformed_value_is_named_and_not_repeated(house):
    person = house.register()

    with Cases() as case:
        for field, value in [(field, value) for field, values in MALFORMED.items() for value in values]:
            with case(field, value):
                answer = change(house, person, **{field: value})

                assert_problem(answer, 422, "invalid_input")
                assert list(faults(answer)) == [f"/{field}"]


def test_a_change_of_nothing_is_422_and_one_that_changes_nothing_leaves_no_event(house, method):
    person = house.register()

    assert_problem(change(house, person, method), 422)
    assert change(house, person, method, username=person.username).status_code == 200
    assert house.events("users.profile.changed", subject=person) == []


def test_a_viewer_reads_and_does_not_write(house, method):
    viewer = house.person(role="viewer")

    assert house.client().get(ME, headers=viewer.headers).status_code == 200
    assert_problem(change(house, viewer, method, full_name="x"), 403, "insufficient_permission")
    (event,) = house.events("security.access.denied", subject=viewer)
    assert (event.actor_id, event.outcome) == (viewer.id, "denied")
    assert event.details["method"] == method.upper()


def test_an_overriding_header_does_not_turn_a_reading_into_a_writing(house):
    person = house.register()
    headers = person.headers | {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "PATCH"}

    assert house.client().get(ME, headers=headers).status_code == 200
    assert_problem(house.client().get(f"{ME}?_method=DELETE", headers=headers), 422, "invalid_input")
    assert_problem(house.client().delete(ME, headers=headers), 405)


def test_a_deceiver_of_caches_finds_no_second_address_for_a_personal_answer(house):
    person = house.register()

    with Cases() as case:
        for path in (f"{ME}/x.css", f"{ME};x.js", f"{ME}%2fx.png", f"{ME}.json", f"{ME}/", "/api/v1//users/me", "/API/v1/users/me"):
            with case(path):
                answer = house.client().get(path, headers=person.headers | {"X-Original-URL": ME, "X-Rewrite-URL": ME})

                assert_problem(answer, 404)
                assert person.email not in answer.text
