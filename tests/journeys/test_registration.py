"""Opening an account: who gets one, who does not, and what a stranger learns from the difference."""

# ruff: noqa: RUF001 - letters that look alike are the subject here

import secrets
from functools import partial

from sqlalchemy import select

from journeys.answers import as_seen, assert_headers, assert_problem, faults
from secureapi.core.database import Database, table_of
from secureapi.core.outbox import OutboxMessage
from support.cases import Cases
from support.races import together

REGISTER = "/api/v1/auth/register"
GOOD = "Tall-Trees-42!"


def wanted(**fields):
    word = secrets.token_hex(6)
    return {"username": f"new-{word}", "email": f"new-{word}@example.com", "password": GOOD} | fields


def test_a_stranger_opens_an_account(house):
    asked = wanted(full_name="Ada L.")

    answer = house.client().post(REGISTER, json=asked)

    assert answer.status_code == 201
    assert_headers(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json
    assert made.keys() == {
        *("id", "username", "email", "full_name", "bio", "website", "role", "is_active", "is_email_verified", "created_at", "updated_at")
    }
    assert (made["username"], made["email"], made["full_name"]) == (asked["username"], asked["email"], "Ada L.")
    assert (made["role"], made["is_active"], made["is_email_verified"]) == ("user", True, False)
    assert made["created_at"].endswith("Z")
    assert GOOD not in answer.text


def test_a_new_account_leaves_its_event_and_its_row_change_but_no_address(house):
    person = house.register()

    (event,) = house.events("users.registered", subject=person)
    assert (event.outcome, event.severity, event.address) == ("success", "INFO", "127.0.0.1")
    (change,) = [row for row in house.events("data.row.changed") if row.details["key"] == [person.id]]
    assert change.details == {"table": "users", "action": "insert", "key": [person.id], "columns": []}
    assert change.request_id == event.request_id


def test_only_a_peppered_hash_is_stored(house):
    person = house.register(password="Only-a-hash-7!")

    (stored,) = house.execute("SELECT password_hash FROM users WHERE username = :name", name=person.username)[0]
    scheme, pepper_id, kind, cost, _ = stored.split("$")
    assert (scheme, kind, cost) == ("hmac-sha256", "2b", "04")
    assert len(pepper_id) == 8
    assert "Only-a-hash-7!" not in str(house.execute("SELECT * FROM users"))


def test_a_prober_cannot_tell_a_taken_name_from_a_taken_address(house, from_elsewhere):
    person = house.register()

    by_name = house.client().post(REGISTER, json=wanted(username=person.username), **from_elsewhere())
    by_address = house.client().post(REGISTER, json=wanted(email=person.email), **from_elsewhere())

    problem = assert_problem(by_name, 400, "registration_refused")
    assert problem["detail"] == "Unable to create account with provided information"
    assert "errors" not in problem
    assert as_seen(by_name) == as_seen(by_address)


def test_a_refused_registration_is_remembered_without_what_was_typed(house):
    person = house.register()
    before = len(house.events("users.registration.refused"))

    answer = house.client().post(REGISTER, json=wanted(email=person.email), headers={"X-Request-ID": "refused-registration"})

    assert_problem(answer, 400)
    event = house.events("users.registration.refused")[before]
    assert (event.outcome, event.request_id) == ("failure", "refused-registration")
    assert person.email not in str(event)


TWINS = {
    "upper case": "{w}.USER@EXAMPLE.COM",
    "full width": "{w}.ｕｓｅｒ@example.com",
    "ideographic full stop": "{w}.user@EXAMPLE。com",
    "full-width domain": "{w}.user@ｅｘａｍｐｌｅ.com",
    "long s": "{w}.uſer@example.com",
    "dots and case": "{w}.uSeR@eXample.cOm",
}


def test_an_address_in_another_spelling_is_the_same_address(house):
    with Cases() as case:
        for name, spelling in TWINS.items():
            with case(name):
                word = secrets.token_hex(5)
                house.register(email=f"{word}.user@example.com")

                answer = house.client().post(REGISTER, json=wanted(email=spelling.format(w=word)))

                assert_problem(answer, 400, "registration_refused")


def test_an_invisible_character_does_not_make_a_second_address(house):
    person = house.register()

    with Cases() as case:
        for smuggled in (" ", "\u00a0", "\u200b", "\ufeff", "\n", "\u202e", "\u2028"):
            for place in ("before", "after", "inside"):
                with case(smuggled, place):
                    spelling = {
                        "before": smuggled + person.email,
                        "after": person.email + smuggled,
                        "inside": person.email.replace("-", f"-{smuggled}", 1),
                    }[place]

                    answer = house.client().post(REGISTER, json=wanted(email=spelling))

                    assert_problem(answer, answer.status_code)
                    assert answer.status_code in {400, 422}


LOOK_ALIKES = ["İ", "ı", "\u212a", "ſ", "ﬁ", "ß", "ẞ", "Å", "\u212b", "e\u0301", "é", "Ǆ", "ᾳ"]


def test_a_look_alike_is_either_the_same_account_or_really_another(house):
    with Cases() as case:
        for letter in LOOK_ALIKES:
            with case(letter):
                word = secrets.token_hex(5)
                ours = house.register(email=f"{word}{letter}@example.com")

                for spelling in {letter.lower(), letter.upper(), letter.casefold(), letter}:
                    email = f"{word}{spelling}@example.com"
                    second = house.client().post(REGISTER, json=wanted(email=email))
                    assert second.status_code in {201, 400, 422}
                    login = house.client().post("/api/v1/auth/login", json={"email": email, "password": ours.password})
                    assert (login.status_code == 200) == (second.status_code == 400), (
                        "who cannot be made twice must be the one who signs in"
                    )


def test_a_domain_in_letters_and_in_punycode_is_one_domain(house):
    word = secrets.token_hex(5)
    person = house.register(email=f"{word}@bücher.example")

    assert_problem(house.client().post(REGISTER, json=wanted(email=f"{word}@xn--bcher-kva.example")), 400, "registration_refused")
    login = house.client().post("/api/v1/auth/login", json={"email": f"{word}@XN--BCHER-KVA.example", "password": person.password})
    assert login.status_code == 200


def test_plus_addresses_are_people_of_their_own(house):
    word = secrets.token_hex(5)

    answers = [house.client().post(REGISTER, json=wanted(email=f"{word}{tag}@example.com")) for tag in ("", "+1", "+2", ".x")]

    assert [answer.status_code for answer in answers] == [201] * 4


def test_a_username_in_another_case_is_taken(house):
    word = secrets.token_hex(5)
    house.register(username=f"user{word}")

    with Cases() as case:
        for username in ("USER", "User", "uSER"):
            with case(username):
                assert_problem(house.client().post(REGISTER, json=wanted(username=f"{username}{word}")), 400, "registration_refused")


WEAK = {
    "Sh0rt!": {"too_short"},
    "alllowercase1!": {"no_upper"},
    "ALLUPPERCASE1!": {"no_lower"},
    "NoDigitsHere!": {"no_digit"},
    "NoSpecial1234": {"no_special"},
    "password123!": {"no_upper", "common"},
    "aaaaaaaaaaaaaaaaaaaaaaaaa": {"monotonous"},
    "aaaa": {"too_short", "no_upper", "no_digit", "no_special", "monotonous"},
}


def test_a_weak_password_is_refused_with_every_rule_that_it_breaks(house):
    with Cases() as case:
        for password, rules in WEAK.items():
            with case(password, rules):
                answer = house.client().post(REGISTER, json=wanted(password=password))

                problem = assert_problem(answer, 400, "weak_password")
                assert {fault["code"] for fault in problem["errors"]} >= rules
                assert {fault["pointer"] for fault in problem["errors"]} == {"/password"}
                assert password not in answer.text


def test_a_password_made_of_ones_own_name_is_weak(house):
    with Cases() as case:
        for password in ("Gardener7!", "7!Gardener", "renedraG7!", "Secureapi1!"):
            with case(password):
                answer = house.client().post(REGISTER, json=wanted(email=f"gardener@{secrets.token_hex(4)}.example.com", password=password))

                assert {fault["code"] for fault in assert_problem(answer, 400, "weak_password")["errors"]} == {"personal"}


def test_a_long_passphrase_of_any_composition_is_good(house):
    with Cases() as case:
        for password in ("correct horse battery staple of nobody", "нет ничего более постоянного", "seven tall trees 77 " * 4):
            with case(password):
                person = house.register(password=password)

                assert house.sign_in(person).access


def test_a_long_password_is_read_to_its_last_character(house):
    person = house.register(password="Tall trees " + "stand " * 12 + "x")

    for wrong in (person.password[:-1], person.password[:-1] + "y", person.password[:72], person.password + " "):
        assert house.client().post("/api/v1/auth/login", json={"username": person.username, "password": wrong}).status_code == 401
    assert house.sign_in(person).access


def test_passwords_that_differ_by_nul_do_not_open_each_others_account(house):
    answer = house.client().post(REGISTER, json=wanted(password="Ab1!xy\x00Tail-one"))

    assert_problem(answer, 422, "invalid_input")
    assert faults(answer) == {"/password": "unstorable_text"}


def test_a_password_typed_on_another_keyboard_is_the_same_password(house):
    person = house.register(password="Caf\u00e9-Noir-77!")

    login = house.client().post("/api/v1/auth/login", json={"username": person.username, "password": "Cafe\u0301-Noir-77!"})

    assert login.status_code == 200


def test_a_climber_cannot_choose_what_only_we_decide(house):
    with Cases() as case:
        for field in ("role", "status", "is_active", "is_email_verified", "id", "password_hash", "is_superuser", "created_at"):
            with case(field):
                answer = house.client().post(REGISTER, json=wanted(**{field: "admin"}))

                assert_problem(answer, 422, "invalid_input")
                assert faults(answer) == {f"/{field}": "unknown_field"}


def test_an_impostor_cannot_call_himself_the_service(house):
    with Cases() as case:
        for username in ("admin", "Root", "MODERATOR", "support", "null"):
            with case(username):
                answer = house.client().post(REGISTER, json=wanted(username=username))

                assert faults(answer) == {"/username": "reserved"}
                assert_problem(answer, 422)


MALFORMED = {
    "username": [
        "ab",
        "a" * 51,
        "a" * 10_000,
        "<script>alert(1)</script>",
        "a b",
        "ünïcode",
        "a\n",
        "abc\n",
        "a\u0000b",
        "",
        "a.b@c.example",
    ],
    "email": [
        "nobody",
        "a@b@c.example",
        "@example.com",
        "a@",
        "a@" + "x" * 260 + ".example",
        "a b@example.com",
        "a@example.com\n",
        "a@localhost",
    ],
    "full_name": ["x" * 101, "two\nlines", "bell\u0007"],
    "password": ["", "Aa1!" * 40],
}


def test_a_malformed_field_is_named_and_its_value_is_not_repeated(house):
    with Cases() as case:
        for field, value in [(field, value) for field, values in MALFORMED.items() for value in values]:
            with case(field, value):
                answer = house.client().post(REGISTER, json=wanted(**{field: value}))

                assert_problem(answer, 422, "invalid_input")
                assert list(faults(answer)) == [f"/{field}"]
                if len(value) > 3:
                    assert value not in answer.text


def test_what_is_missing_is_named_all_at_once(house):
    answer = house.client().post(REGISTER, json={})

    assert_problem(answer, 422)
    assert faults(answer) == {"/username": "required", "/email": "required", "/password": "required"}


def notes_about(house, person):
    table = table_of(OutboxMessage)
    with house.service(Database).reading() as connection:
        return connection.execute(select(table.c.topic, table.c.details).where(table.c.user_id == person.id)).all()


def test_a_new_account_leaves_a_note_that_its_address_is_to_be_confirmed(house):
    person = house.register()

    assert notes_about(house, person) == [("request.verification", {})]
    assert person.email not in str(house.execute("SELECT details FROM outbox"))


def test_an_account_made_by_an_administrator_counts_as_confirmed(house):
    person = house.person()

    assert notes_about(house, person) == []
    assert house.client().get("/api/v1/users/me", headers=person.headers).json["is_email_verified"] is True


def test_a_registration_that_is_refused_leaves_no_note(house):
    person = house.register()
    house.client().post(REGISTER, json=wanted(email=person.email))
    house.client().post(REGISTER, json=wanted(username=person.username))

    assert len(notes_about(house, person)) == 1
    assert house.execute("SELECT count(*) FROM pending_registrations")[0][0] == 0


def test_fifty_who_want_one_address_at_once_get_one_account(make_house, engine):
    house = make_house(engine, password_hash_queue=100)
    word = secrets.token_hex(5)
    spellings = [spelling.format(w=word) for spelling in TWINS.values()]
    asked = [wanted(email=spellings[number % len(spellings)]) for number in range(50)]

    answers = together([partial(house.client().post, REGISTER, json=one) for one in asked])

    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 49
    refused = [answer for answer in answers if answer.status_code == 400]
    assert {as_seen(answer)[::2] for answer in refused} == {as_seen(refused[0])[::2]}
    assert house.execute("SELECT count(*) FROM users")[0][0] == 1
    assert house.execute("SELECT count(*) FROM outbox WHERE topic = 'request.verification'")[0][0] == 1


def test_everybody_together_may_register_so_often_and_what_others_do_is_not_shown(make_house, engine, from_elsewhere):
    house = make_house(engine, register_rate_limit="3/minute", register_global_rate_limit="2/hour")

    first, second, third = (house.client().post(REGISTER, json=wanted(), **from_elsewhere()) for _ in range(3))

    assert [first.status_code, second.status_code, third.status_code] == [201, 201, 429]
    for answer in (first, second):
        assert answer.headers["RateLimit-Policy"] == '"register";q=3;w=60'
        assert answer.headers["RateLimit"].startswith('"register";r=2;')
    assert third.headers["RateLimit-Policy"] == '"register_all";q=2;w=3600'
    assert 0 < int(third.headers["Retry-After"]) <= 3600


def test_a_closed_house_takes_nobody(make_house, engine):
    house = make_house(engine, registration="closed")

    assert_problem(house.client().post(REGISTER, json=wanted()), 403, "registration_closed")
    assert house.execute("SELECT count(*) FROM users")[0][0] == 0
