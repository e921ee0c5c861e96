"""Other spellings of an address: one name for us, and perhaps two mailboxes. Who reads at one has not shown that he reads at the other."""

import secrets
import unicodedata

import pytest
from sqlalchemy import text

from journeys.answers import assert_problem
from journeys.recovering import CONFIRM, FORGOT, ME, NOT_ME, VERIFY, post, somebody, stored, token_in
from secureapi.core.database import Database


def change(house, person, email):
    answer = house.client().patch(ME, headers=person.headers, json={"email": email})
    assert answer.status_code == 200
    return answer.json


def owner_with_ss(house, letters):
    """Somebody whose address, which he has confirmed, has another spelling."""
    word = secrets.token_hex(4)
    owner = house.person(email=f"strasse-{word}@example.com")
    letters.deliver(house)
    return owner, f"straße-{word}@example.com"


def account(house, person):
    (row,) = house.execute("SELECT email, email_verified_at, pending_email FROM users WHERE id = :id", id=stored(house, person))
    return row.email, row.email_verified_at is not None, row.pending_email


def test_a_thief_does_not_get_the_owners_messages_by_another_spelling_of_his_address(home, letters):
    owner, twin = owner_with_ss(home, letters)

    answer = change(home, owner, twin)

    assert (answer["email"], answer["pending_email"], answer["is_email_verified"]) == (owner.email, twin, True)
    came = {message.to: message for message in letters.deliver(home)}
    assert came.keys() == {owner.email, twin}, "one is asked, the other one told"
    post(home, FORGOT, email=twin)
    assert [message.to for message in letters.deliver(home)] == [owner.email]


def test_a_spelling_is_taken_when_it_is_confirmed_and_given_back_like_any_address(home, letters):
    owner, twin = owner_with_ss(home, letters)
    change(home, owner, twin)
    (token,) = [token_in(message, "confirm-email") for message in letters.deliver(home) if message.to == twin]

    assert post(home, CONFIRM, token=token).status_code == 200
    assert account(home, owner) == (twin, True, None)
    (told,) = letters.deliver(home)
    assert told.to == owner.email
    assert post(home, NOT_ME, token=token_in(told, "not-me")).status_code == 200

    assert account(home, owner) == (owner.email, True, None)
    assert {message.to: bool(message.links) for message in letters.deliver(home)} == {owner.email: True, twin: False}


def test_a_link_confirms_the_spelling_to_which_it_was_sent_and_no_other(home, letters):
    person, word = somebody(home, letters), secrets.token_hex(4)
    plain, twin = f"masse-{word}@example.com", f"maße-{word}@example.com"
    change(home, person, plain)
    (token,) = [token_in(message, "confirm-email") for message in letters.deliver(home) if message.to == plain]
    change(home, person, twin)

    assert_problem(post(home, CONFIRM, token=token), 400, "invalid_link")
    letters.deliver(home)
    change(home, person, plain)
    assert_problem(post(home, CONFIRM, token=token), 400, "invalid_link")
    assert account(home, person) == (person.email, False, plain)


def test_the_link_of_a_wish_that_was_repeated_stays_good_until_there_is_a_newer_one(home, letters):
    person, email = somebody(home, letters), f"new-{secrets.token_hex(4)}@example.com"
    change(home, person, email)
    (token,) = [token_in(message, "confirm-email") for message in letters.deliver(home) if message.to == email]
    change(home, person, email.upper())

    assert post(home, CONFIRM, token=token).status_code == 200


def test_a_link_that_verifies_is_about_one_spelling(home, letters):
    word = secrets.token_hex(4)
    person = home.register(email=f"strasse-{word}@example.com")
    (token,) = [token_in(message, "verify-email") for message in letters.deliver(home)]
    with home.service(Database).writing() as connection:
        statement = text("UPDATE users SET email = :email WHERE username = :name")
        connection.execute(statement, {"email": f"straße-{word}@example.com", "name": person.username})

    assert_problem(post(home, VERIFY, token=token), 400, "invalid_link")


@pytest.mark.parametrize(
    ("present", "wanted", "is_waited_for"),
    [
        ("alice-{}@example.com", "ALICE-{}@Example.com", False),
        # The sign of the kelvin is sent as the letter K (NFC).
        ("kelvin-{}@example.com", "\u212aelvin-{}@example.com", False),
        ("älice-{}@example.com", unicodedata.normalize("NFD", "älice-{}@example.com"), False),
        ("älice-{}@example.com", "ÄLICE-{}@example.com", True),
        ("alice-{}@example.com", "\uff41lice-{}@example.com", True),
        ("u\u017fer-{}@example.com", "user-{}@example.com", True),
    ],
)
def test_capitals_of_ascii_make_no_difference_and_everything_else_does(home, letters, present, wanted, is_waited_for):
    word = secrets.token_hex(4)
    person = home.person(email=present.format(word))
    letters.deliver(home)

    answer = change(home, person, wanted.format(word))

    assert (answer["email"], answer["pending_email"]) == (
        (person.email, wanted.format(word)) if is_waited_for else (wanted.format(word), None)
    )
    assert bool(letters.deliver(home)) == is_waited_for
