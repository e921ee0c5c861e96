"""Confirming the address of an account that there is, and of one that is waited for."""

import secrets

import pytest

from journeys.answers import assert_problem
from journeys.recovering import API, LOGIN, ME, RESEND, VERIFY, asked, post, token_in

# ---- confirming an address


def test_somebody_confirms_the_address_that_he_registered_with(home, letters):
    person = home.register()
    (message,) = letters.deliver(home)
    assert message.to == person.email

    answer = post(home, VERIFY, token=token_in(message, "verify-email"))

    assert answer.status_code == 200
    assert answer.json.keys() == {"message"}
    assert home.client().get(ME, headers=person.headers).json["is_email_verified"] is True
    assert len(home.events("users.email.verified", subject=person)) == 1
    assert_problem(post(home, VERIFY, token=token_in(message, "verify-email")), 400, "invalid_link")


def test_the_message_that_confirms_an_address_is_sent_again_and_the_first_is_void(home, letters):
    person = home.register()
    (first,) = letters.deliver(home)
    token = asked(home, letters, person, RESEND)

    assert_problem(post(home, VERIFY, token=token_in(first, "verify-email")), 400, "invalid_link")
    assert post(home, VERIFY, token=token).status_code == 200
    assert post(home, RESEND, email=person.email).status_code == 202
    assert letters.deliver(home) == []


def test_a_link_for_an_address_that_the_account_has_no_more_confirms_nothing(home, letters):
    person = home.register()
    (message,) = letters.deliver(home)
    home.execute(
        "UPDATE users SET email = 'x-' || email, email_canonical = 'x-' || email_canonical WHERE username = :name", name=person.username
    )

    assert_problem(post(home, VERIFY, token=token_in(message, "verify-email")), 400, "invalid_link")
    assert home.client().get(ME, headers=person.headers).json["is_email_verified"] is False


# ---- where accounts begin with a confirmed address


@pytest.fixture
def strict(make_home):
    return make_home(email_verification="required")


def wanted(house, letters, **fields):
    """Somebody who waits for his account; what he asked for, and the token that was sent."""
    word = secrets.token_hex(6)
    asked_for = {"username": f"new-{word}", "email": f"new-{word}@example.com", "password": "Tall-Trees-42!"} | fields
    assert post(house, f"{API}/auth/register", **asked_for).status_code == 202
    (message,) = letters.deliver(house)
    return asked_for, token_in(message, "verify-email")


def test_an_account_that_is_waited_for_opens_by_its_link_and_nobody_is_signed_in(strict, letters):
    asked_for, token = wanted(strict, letters)

    answer = post(strict, VERIFY, token=token)

    assert (answer.status_code, answer.json.keys()) == (200, {"message"})
    assert post(strict, LOGIN, email=asked_for["email"], password=asked_for["password"]).status_code == 200
    assert_problem(post(strict, VERIFY, token=token), 400, "invalid_link")


def test_whoever_waits_gets_his_message_again(strict, letters):
    asked_for, first = wanted(strict, letters)
    assert post(strict, RESEND, email=asked_for["email"].upper()).status_code == 202

    (message,) = letters.deliver(strict)

    assert message.to == asked_for["email"]
    assert token_in(message, "verify-email") != first
    assert post(strict, VERIFY, token=token_in(message, "verify-email")).status_code == 200


def test_nobody_gets_a_message_for_an_address_that_nobody_waits_with(strict, letters):
    assert post(strict, RESEND, email=f"user-{secrets.token_hex(6)}@example.com").status_code == 202

    assert letters.deliver(strict) == []
    assert strict.execute("SELECT topic FROM outbox WHERE delivered_at IS NULL OR dead_at IS NOT NULL") == []


def test_a_name_that_was_taken_meanwhile_uses_the_link_up(strict, letters):
    asked_for, token = wanted(strict, letters)
    strict.person(username=asked_for["username"])

    assert_problem(post(strict, VERIFY, token=token), 400, "registration_refused")

    assert_problem(post(strict, VERIFY, token=token), 400, "invalid_link")
