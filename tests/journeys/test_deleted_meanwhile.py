"""Accounts that are deleted while their password is looked at: the answer does not tell that it was the right one."""

import pytest

from journeys.answers import assert_problem
from secureapi.auth.service import Administration
from secureapi.core.requests import Client
from secureapi.security.passwords import PasswordHasher

AUTH = "/api/v1/auth"
NEW = "Another-Tall-Tree-77!"


@pytest.fixture
def victim(house, monkeypatch):
    """Somebody who is signed in, and is deleted at the next look at a password."""
    person, hasher = house.register(), house.service(PasswordHasher)
    assert person.headers
    verify = hasher.verify

    def slowly(*args, **kwargs):
        is_right = verify(*args, **kwargs)
        monkeypatch.undo()
        house.service(Administration).delete(user_id=person.id, caller=None, client=Client.of_command_line())
        return is_right

    monkeypatch.setattr(hasher, "verify", slowly)
    return person


def test_a_sign_in_is_refused_as_any_other_and_leaves_its_event(house, victim):
    answer = house.client().post(f"{AUTH}/login", json={"username": victim.username, "password": victim.password})

    assert_problem(answer, 401, "invalid_credentials")
    assert house.events("auth.login.refused", subject=victim)[-1].details["reason"] == "changed_meanwhile"


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("reauthenticate", lambda person: {"password": person.password}),
        ("change-password", lambda person: {"current_password": person.password, "new_password": NEW}),
    ],
)
def test_a_proof_is_none_any_more(house, victim, path, given):
    answer = house.client().post(f"{AUTH}/{path}", headers=victim.headers, json=given(victim))

    assert_problem(answer, 403, "wrong_current_password")
