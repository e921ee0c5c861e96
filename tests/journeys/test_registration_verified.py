"""Opening an account where the address is confirmed first: what a stranger learns (nothing), and who may get in which way."""

# ruff: noqa: RUF001 - letters that look alike are the subject here

import dataclasses
import json
import secrets
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import event, select

from journeys.answers import as_seen, assert_headers, assert_problem, body_of, status_of
from secureapi.auth.recipients import Recipients
from secureapi.auth.service import Administration
from secureapi.core.database import Database, table_of
from secureapi.core.outbox import Outbox, OutboxMessage
from secureapi.core.requests import Client
from secureapi.security.errors import LinkRefused
from secureapi.settings.rules import faults_of
from secureapi.users.service import Registration
from support.house import House
from support.races import together
from support.sample_settings import make_settings

REGISTER, LOGIN, VERIFY = "/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/email/verify"
GOOD = "Tall-Trees-42!"
DAY = timedelta(hours=24)


@pytest.fixture
def home_settings():
    """Addresses are confirmed first."""
    return {"email_verification": "required", "recovery_rate_limit": "100000/minute"}


@pytest.fixture
def strict(home):
    """A house in which that is so, on each engine."""
    return home


@pytest.fixture
def make_strict(make_home):
    """`make_strict(**settings)`: one of the test's own."""
    return make_home


def wanted(**fields):
    word = secrets.token_hex(6)
    return {"username": f"new-{word}", "email": f"new-{word}@example.com", "password": GOOD} | fields


def ask(house, **fields):
    """Ask for an account; what was asked for."""
    asked = wanted(**fields)
    answer = house.client().post(REGISTER, json=asked)
    assert answer.status_code == 202, answer.text
    return asked


def confirm(house, token):
    return house.client().post(VERIFY, json={"token": token})


def log_in(house, asked):
    return house.client().post(LOGIN, json={"email": asked["email"], "password": asked["password"]})


def count(house, table):
    return house.execute(f"SELECT count(*) FROM {table}")[0][0]


def notes_of(house):
    table = table_of(OutboxMessage)
    with house.service(Database).reading() as connection:
        return connection.execute(select(table).order_by(table.c.created_at, table.c.id)).all()


# ---- the ordinary way


def test_an_account_is_there_when_its_address_is_confirmed_and_not_before(make_strict, letters):
    strict = make_strict()
    asked = wanted(full_name="Ada L.")

    answer = strict.client().post(REGISTER, json=asked)

    assert (answer.status_code, list(answer.json)) == (202, ["message"])
    assert_headers(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert count(strict, "users") == 0
    assert_problem(log_in(strict, asked), 401, "invalid_credentials")
    (message,) = letters.deliver(strict)
    assert (message.to, message.subject) == (asked["email"], "Confirm your address for secureapi")
    assert message.link.startswith(f"{strict.settings.public_url}/account/verify-email#")
    assert message.link in message.html
    assert asked["username"] in message.text

    assert confirm(strict, message.token).status_code == 200

    signed_in = log_in(strict, asked)
    me = strict.client().get("/api/v1/users/me", headers={"Authorization": f"Bearer {signed_in.json['access_token']}"}).json
    assert (me["username"], me["email"], me["full_name"]) == (asked["username"], asked["email"], "Ada L.")
    assert (me["role"], me["is_active"], me["is_email_verified"]) == ("user", True, True)
    assert count(strict, "pending_registrations") == 0
    assert_problem(confirm(strict, message.token), 400, "invalid_link")


def test_the_trail_tells_of_it_without_the_address(make_strict, letters):
    strict = make_strict()
    asked = ask(strict)
    (message,) = letters.deliver(strict)
    assert confirm(strict, message.token).status_code == 200

    (requested,) = strict.events("users.registration.requested")
    (registered,) = strict.events("users.registered")
    assert (requested.outcome, requested.subject_id, len(requested.details["address"])) == ("success", None, 32)
    assert strict.execute("SELECT username FROM users")[0][0] == asked["username"]
    assert registered.subject_id
    assert asked["email"] not in str(strict.events())
    assert asked["email"] not in str(notes_of(strict)), "addresses that are nobody's yet are sealed"
    assert message.token not in str(strict.execute("SELECT * FROM one_time_links"))


def test_only_a_hash_waits_with_the_name(make_strict):
    strict = make_strict()
    ask(strict, password="Only-a-hash-7!")

    (row,) = strict.execute("SELECT * FROM pending_registrations")
    assert "Only-a-hash-7!" not in str(row)
    assert row.password_hash.startswith("hmac-sha256$")


def test_weak_reserved_and_malformed_are_refused_at_once(make_strict):
    strict = make_strict()
    assert_problem(strict.client().post(REGISTER, json=wanted(password="password123!")), 400, "weak_password")
    assert_problem(strict.client().post(REGISTER, json=wanted(username="admin")), 422, "invalid_input")
    assert_problem(strict.client().post(REGISTER, json=wanted(email="nobody")), 422, "invalid_input")
    assert count(strict, "pending_registrations") == 0
    assert notes_of(strict) == []


def test_a_name_that_an_account_has_is_refused_and_one_that_only_waits_is_not(strict):
    """Otherwise whoever asks twice would be refused the second time only if the first address was free."""
    owner = strict.person()
    taken = wanted(username=owner.username.upper())

    assert_problem(strict.client().post(REGISTER, json=taken), 400, "registration_refused")
    first = ask(strict)
    assert ask(strict, username=first["username"])["email"] != first["email"]


def test_accounts_made_by_administrators_need_no_confirmation(strict, letters):
    person = strict.person()

    assert strict.client().get("/api/v1/users/me", headers=person.headers).json["is_email_verified"] is True
    assert letters.deliver(strict) == []


# ---- what a stranger learns


class Statements:
    """What an application asks its database while somebody looks."""

    def __init__(self, house):
        self._engine = house.service(Database).engine
        self._reader = house.service(Database).reader

    @contextmanager
    def seen(self):
        found = []

        def note(_connection, _cursor, statement, *_rest):
            found.append(statement)

        for engine in (self._engine, self._reader):
            event.listen(engine, "before_cursor_execute", note)
        yield found
        for engine in (self._engine, self._reader):
            event.remove(engine, "before_cursor_execute", note)


def test_a_prober_sees_no_difference_between_addresses_in_answers_or_in_the_work_done(make_strict, letters, from_elsewhere):
    strict = make_strict()
    owner, disabled = strict.person(), strict.person()
    strict.service(Administration).disable(user_id=disabled.id, caller=None, client=Client.of_command_line())
    unverified = strict.person()
    strict.execute("UPDATE users SET email_verified_at = NULL WHERE username = :name", name=unverified.username)
    waiting = ask(strict)
    letters.deliver(strict)
    addresses = {
        "free": f"free-{secrets.token_hex(6)}@example.com",
        "taken": owner.email,
        "taken, in another spelling": owner.email.upper(),
        "disabled": disabled.email,
        "unverified": unverified.email,
        "pending": waiting["email"],
    }
    answers, statements = {}, {}
    for name, address in addresses.items():
        with Statements(strict).seen() as found:
            answer = strict.client().post(REGISTER, json=wanted(email=address), **from_elsewhere())
        answers[name], statements[name] = as_seen(answer), found

    assert answers["free"][0] == 202
    assert {name: seen for name, seen in answers.items() if seen != answers["free"]} == {}
    assert len(statements["free"]) >= 5
    assert {name: found for name, found in statements.items() if found != statements["free"]} == {}


def test_the_owner_is_told_at_the_address_of_the_account(make_strict, letters):
    strict = make_strict()
    owner = strict.person(email=f"{secrets.token_hex(4)}.user@example.com")
    before = strict.execute("SELECT * FROM users")

    answer = strict.client().post(
        REGISTER, json=wanted(email=owner.email.replace("user", "uſER")), environ_overrides={"REMOTE_ADDR": "203.0.113.9"}
    )

    assert answer.status_code == 202
    (message,) = letters.deliver(strict)
    assert (message.to, message.subject) == (owner.email, "You have a secureapi account already")
    assert message.links == []
    for part in (message.text, message.html):
        assert "203.0.113.9" in part
        assert f"{strict.settings.public_url}/account/forgot-password" in part
    assert strict.execute("SELECT * FROM users") == before
    assert count(strict, "pending_registrations") == 0
    (tried,) = strict.events("users.registration.tried", subject=owner)
    assert (tried.outcome, tried.address) == ("denied", "203.0.113.9")


def test_mail_for_a_look_alike_goes_to_nobody_else(strict, letters):
    """K (the Kelvin sign) folds to k, so it is the account's owner who is told; dotless ı does not, so it is another address."""
    word = secrets.token_hex(4)
    owner = strict.person(email=f"{word}.mikki@example.com")

    for spelling in (f"{word}.mi\u212a\u212ai@example.com", f"{word}.mıkkı@example.com"):
        ask(strict, email=spelling)

    assert sorted(message.to for message in letters.deliver(strict)) == sorted([owner.email, f"{word}.mıkkı@example.com"])


def test_a_domain_in_letters_and_in_punycode_is_one_and_mail_goes_to_its_ascii_form(make_strict, letters):
    strict = make_strict()
    word = secrets.token_hex(5)
    asked = ask(strict, email=f"{word}@bücher.example")
    (message,) = letters.deliver(strict)
    assert message.to == f"{word}@xn--bcher-kva.example"
    assert confirm(strict, message.token).status_code == 200

    ask(strict, email=f"{word}@XN--BCHER-KVA.example")

    assert [message.subject for message in letters.deliver(strict)] == ["You have a secureapi account already"]
    assert count(strict, "users") == 1
    assert log_in(strict, asked | {"email": f"{word}@xn--bcher-kva.example"}).status_code == 200


def test_plus_addresses_are_people_of_their_own(make_strict, letters):
    strict = make_strict()
    word = secrets.token_hex(5)
    for tag in ("", "+1", "+2"):
        ask(strict, email=f"{word}{tag}@example.com")

    assert [confirm(strict, message.token).status_code for message in letters.deliver(strict)] == [200] * 3
    assert count(strict, "users") == 3


# ---- races


SPELLINGS = ["{w}.user@example.com", "{w}.USER@EXAMPLE.COM", "{w}.ｕｓｅｒ@example.com", "{w}.uſer@example.com", "{w}.user@EXAMPLE。com"]


def test_fifty_who_want_one_address_at_once_get_one_answer_and_one_of_them_the_account(make_strict, letters):
    house = make_strict(mail_recipient_budget="1000/hour", password_hash_queue=100)
    word = secrets.token_hex(4)
    asked = [wanted(email=SPELLINGS[number % len(SPELLINGS)].format(w=word)) for number in range(50)]

    answers = together([partial(house.client().post, REGISTER, json=one) for one in asked])

    assert {as_seen(answer)[::2] for answer in answers} == {(202, answers[0].text)}
    messages = letters.deliver(house)
    assert len(messages) == 50
    opened = together([partial(confirm, house, message.token) for message in messages])
    assert sorted({answer.status_code for answer in opened}) == [200, 400]
    assert [answer.status_code for answer in opened].count(200) == 1
    assert {answer.json["code"] for answer in opened if answer.status_code == 400} <= {"invalid_link", "registration_refused"}
    assert count(house, "users") == 1
    assert count(house, "pending_registrations") == 0
    assert len(house.events("users.registered")) == 1


def test_a_link_that_is_opened_many_times_at_once_opens_one_account(make_strict, letters):
    strict = make_strict()
    asked = ask(strict)
    (message,) = letters.deliver(strict)

    opened = together([partial(confirm, strict, message.token) for _ in range(12)])

    assert sorted(answer.status_code for answer in opened) == [200] + [400] * 11
    assert count(strict, "users") == 1
    assert log_in(strict, asked).status_code == 200


def test_of_many_who_confirm_the_same_name_one_gets_it_and_the_others_hear_that_it_is_taken(make_strict, letters):
    strict = make_strict()
    name = f"new-{secrets.token_hex(4)}"
    asked = [ask(strict, username=name) for _ in range(8)]
    tokens = {message.to: message.token for message in letters.deliver(strict)}

    opened = together([partial(confirm, strict, tokens[one["email"]]) for one in asked])

    assert sorted(answer.status_code for answer in opened) == [200] + [400] * 7
    assert {answer.json["code"] for answer in opened if answer.status_code == 400} == {"registration_refused"}
    assert count(strict, "users") == 1
    assert [log_in(strict, one).status_code for one in asked].count(200) == 1


def test_a_name_that_was_taken_meanwhile_ends_the_registration_and_that_is_remembered(make_strict, letters):
    strict = make_strict()
    asked = ask(strict)
    (message,) = letters.deliver(strict)
    strict.person(username=asked["username"].upper())

    refused = confirm(strict, message.token)

    assert_problem(refused, 400, "registration_refused")
    assert count(strict, "pending_registrations") == 0
    (remembered,) = strict.events("users.registration.refused")
    assert remembered.details["reason"] == "registration_refused"
    assert_problem(confirm(strict, message.token), 400, "invalid_link")
    again = ask(strict, email=asked["email"])
    (message,) = letters.deliver(strict)
    assert confirm(strict, message.token).status_code == 200
    assert log_in(strict, again).status_code == 200


def test_an_address_that_was_taken_meanwhile_is_not_taken_again(make_strict, letters):
    strict = make_strict()
    asked = ask(strict)
    (message,) = letters.deliver(strict)
    strict.person(email=asked["email"])

    assert_problem(confirm(strict, message.token), 400, "registration_refused")
    assert count(strict, "users") == 1
    assert_problem(log_in(strict, asked), 401, "invalid_credentials")


def test_whoever_confirms_first_has_the_address_and_the_links_of_all_others_are_over(strict, letters):
    """Mallory asked with the owner's address before him; the owner opens only the link with his own name in it."""
    address = f"{secrets.token_hex(5)}@example.com"
    mallory = ask(strict, email=address, password="Mallory-Chose-1!")
    owner = ask(strict, email=address)
    messages = {one["username"]: m for m in letters.deliver(strict) for one in (mallory, owner) if one["username"] in m.text}

    assert confirm(strict, messages[owner["username"]].token).status_code == 200

    assert_problem(confirm(strict, messages[mallory["username"]].token), 400, "invalid_link")
    assert log_in(strict, owner).status_code == 200
    assert_problem(log_in(strict, mallory), 401, "invalid_credentials")


# ---- time


def test_a_link_is_good_as_long_as_it_says_and_what_waited_is_removed(make_strict, letters, clock):
    house = make_strict(clock=clock)
    for _ in range(2):
        ask(house)
    early, late = letters.deliver(house)
    clock.advance(DAY - timedelta(seconds=1))
    assert confirm(house, early.token).status_code == 200

    clock.advance(timedelta(seconds=2))

    assert_problem(confirm(house, late.token), 400, "invalid_link")
    assert count(house, "pending_registrations") == 1
    ask(house)
    assert count(house, "pending_registrations") == 1, "whoever adds one removes those that are over"
    assert count(house, "users") == 1


def test_the_hours_of_a_link_are_a_setting(make_strict, letters, clock):
    house = make_strict(clock=clock, verification_link_hours=2)
    ask(house)
    (message,) = letters.deliver(house)

    clock.advance(timedelta(hours=2, seconds=1))

    assert_problem(confirm(house, message.token), 400, "invalid_link")


def again(house, address):
    """The note that `POST /auth/email/resend` leaves."""
    with house.service(Database).transaction() as session:
        sealed = house.service(Recipients).seal(address)
        house.service(Outbox).add(session, "request.registration", user_id=None, sealed_to=sealed)


def test_a_message_that_is_asked_for_again_is_about_the_last_registration_and_goes_where_that_said(make_strict, letters, clock):
    house = make_strict(clock=clock)
    first = ask(house)
    clock.advance(timedelta(hours=1))
    last = ask(house, email=first["email"])
    clock.advance(timedelta(hours=22))
    letters.deliver(house)

    again(house, first["email"].upper())

    (message,) = letters.deliver(house)
    assert message.to == first["email"]
    assert last["username"] in message.text
    assert first["username"] not in message.text
    clock.advance(DAY - timedelta(minutes=1))
    assert confirm(house, message.token).status_code == 200, "the link of a later message is good for a whole day too"
    assert log_in(house, last).status_code == 200


def test_what_waited_too_long_is_as_good_as_gone_even_while_it_is_there(make_strict, letters, clock):
    """A worker that was away for a day, a message that is asked for again too late, and a link that would still be open."""
    house = make_strict(clock=clock)
    asked = ask(house)
    clock.advance(DAY + timedelta(seconds=1))
    ((waiting,),) = house.execute("SELECT id FROM pending_registrations")

    again(house, asked["email"])

    assert letters.deliver(house) == []
    with pytest.raises(LinkRefused), house.service(Database).transaction() as session:
        house.service(Registration).confirm(session, registration_id=str(waiting), client=Client.of_command_line())
    assert count(house, "users") == 0


@pytest.mark.parametrize("address", ["nobody@example.com", "no address", ""])
def test_a_message_that_nobody_waits_for_is_not_written(make_strict, letters, address):
    strict = make_strict()
    again(strict, address)

    assert letters.deliver(strict) == []
    assert not any(note.dead_at for note in notes_of(strict))


# ---- floods


@pytest.mark.parametrize("is_taken", [False, True], ids=["a free address", "an address with an account"])
def test_somebody_who_floods_an_address_from_everywhere_gets_the_budget_and_no_more(make_strict, letters, clock, from_elsewhere, is_taken):
    house = make_strict(clock=clock, mail_recipient_budget="3/hour")
    address = house.person().email if is_taken else "flooded@example.com"

    def flood():
        spellings = (address, address.upper())
        answers = [house.client().post(REGISTER, json=wanted(email=spellings[n % 2]), **from_elsewhere()) for n in range(10)]
        assert {(status_of(answer), body_of(answer)) for answer in answers} == {(202, body_of(answers[0]))}
        return letters.deliver(house)

    assert len(flood()) == 3
    assert flood() == []
    withheld = house.events("mail.withheld")
    assert len(withheld) == 17
    assert {event.details["topic"] for event in withheld} == {"mail.registration_tried" if is_taken else "mail.registration"}
    assert address not in str(withheld)
    clock.advance(timedelta(hours=1, seconds=1))
    assert len(flood()) == 3


def test_registrations_are_limited_for_an_address_and_for_everybody_together(make_strict, from_elsewhere):
    house = make_strict(register_rate_limit="3/minute", register_global_rate_limit="5/hour")
    here = from_elsewhere()

    answers = [house.client().post(REGISTER, json=wanted(email=f"a+{n}@example.com"), **here) for n in range(4)]

    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"register";q=3;w=60'}, "what others do is not shown"
    assert [house.client().post(REGISTER, json=wanted(), **from_elsewhere()).status_code for _ in range(2)] == [202, 202]
    full = house.client().post(REGISTER, json=wanted(), **from_elsewhere())
    assert_problem(full, 429, "rate_limited")
    assert 0 < int(full.headers["Retry-After"]) <= 3600
    malformed = house.client().post(REGISTER, json={}, **from_elsewhere())
    assert_problem(malformed, 422)


# ---- as it is set


def test_a_house_that_was_closed_meanwhile_takes_nobody_who_still_waits(make_strict, letters):
    strict = make_strict()
    asked = ask(strict)
    (message,) = letters.deliver(strict)
    closed = House(dataclasses.replace(strict.settings, registration="closed"))
    try:
        assert_problem(confirm(closed, message.token), 403, "registration_closed")
        assert_problem(closed.client().post(REGISTER, json=wanted()), 403, "registration_closed")
    finally:
        closed.close()

    assert count(strict, "users") == 0
    assert confirm(strict, message.token).status_code == 200, "the link was not used up"
    assert log_in(strict, asked).status_code == 200


def test_who_waits_is_not_lost_when_confirmation_becomes_optional(strict, letters):
    asked = ask(strict)
    (message,) = letters.deliver(strict)
    lenient = House(dataclasses.replace(strict.settings, email_verification="optional"))
    try:
        assert confirm(lenient, message.token).status_code == 200
        assert log_in(lenient, asked).status_code == 200
    finally:
        lenient.close()


@pytest.mark.parametrize(("mode", "status"), [("optional", "201"), ("required", "202")])
def test_the_description_of_the_api_says_what_is_answered_here(make_house, mode, status):
    described = make_house(email_verification=mode).client().get("/openapi.json").json

    answers = described["paths"][REGISTER]["post"]["responses"]

    assert [code for code in answers if code.startswith("2")] == [status]
    schema = json.dumps(answers[status]["content"]["application/json"]["schema"])
    assert ("UserResponse" in schema) == (mode == "optional")


def test_confirmations_that_nobody_could_send_are_a_fault_of_the_settings():
    production = {"environment": "production", "public_url": "https://auth.example.com", "bcrypt_rounds": 12}
    mail = {"smtp_url": "smtps://user:secret@mail.example.com", "mail_from": "no-reply@example.com"}

    def faults(**overrides):
        return [fault for fault in faults_of(make_settings(**production | overrides)) if fault.startswith("EMAIL_VERIFICATION")]

    (fault,) = faults(email_verification="required")
    assert "SMTP_URL" in fault
    assert faults(email_verification="required", **mail) == []
    assert faults(email_verification="optional") == []
    assert faults(email_verification="required", environment="development") == []
