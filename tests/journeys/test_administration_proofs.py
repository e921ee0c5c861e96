"""What an old token of an administrator is good for: nothing by which whoever stole it would stay when it is over (RFC 9470)."""

import secrets
from datetime import timedelta

import pytest

from journeys.answers import assert_problem

API = "/api/v1"


@pytest.fixture
def own(make_house, engine, clock):
    return make_house(engine, clock=clock)


@pytest.fixture
def late(own, clock):
    """An administrator who signed in eleven minutes ago."""
    admin = own.administrator()
    clock.advance(timedelta(minutes=11))
    return admin


def somebody(**fields):
    word = secrets.token_hex(4)
    return {"username": f"new-{word}", "email": f"new-{word}@example.com"} | fields


def test_a_thief_with_an_old_token_of_an_administrator_makes_himself_no_place_to_stay(own, late):
    person, other = own.register(), own.administrator()
    role = {"name": "ghost", "permissions": ["users:write", "admin:write"]}
    assert own.client().post(f"{API}/admin/roles", headers=other.headers, json=role | {"name": "auditor"}).status_code == 201
    dangerous = [
        ("POST", "/users", somebody(password="Tall-Oak-99999!", role="user")),
        ("POST", "/users", somebody(invite="mail", role="moderator")),
        ("PATCH", f"/users/{person.id}", {"role": "admin"}),
        ("PATCH", f"/users/{other.id}", {"email": "thief@example.com", "bio": "x"}),
        ("DELETE", f"/users/{other.id}", None),
        ("POST", "/admin/roles", role),
        ("PATCH", "/admin/roles/auditor", {"rank": 90}),
    ]

    for method, path, body in dangerous:
        answer = own.client().open(API + path, method=method, headers=late.headers, json=body)
        assert_problem(answer, 401, "insufficient_user_authentication")
        assert answer.headers["WWW-Authenticate"].endswith("max_age=600")

    refused = own.events("users.administration.refused")
    assert [event.details["reason"] for event in refused] == ["insufficient_user_authentication"] * len(dangerous)
    assert {event.actor_id for event in refused} == {late.id}
    proved = own.client().post(f"{API}/auth/reauthenticate", headers=late.headers, json={"password": late.password}).json["access_token"]
    for method, path, body in dangerous:
        answer = own.client().open(API + path, method=method, headers={"Authorization": f"Bearer {proved}"}, json=body)
        assert answer.status_code < 300, answer.text


def test_what_is_harmless_or_urgent_asks_for_no_proof(own, late):
    person = own.register()

    acts = [("POST", "/users", somebody(invite="mail")), ("PATCH", f"/users/{person.id}", {"bio": "x"})]
    acts += [("POST", f"/users/{person.id}/{word}", {}) for word in ("lock", "unlock", "disable", "enable")]
    for method, path, body in acts:
        answer = own.client().open(API + path, method=method, headers=late.headers, json=body)
        assert answer.status_code < 300, (path, answer.text)
