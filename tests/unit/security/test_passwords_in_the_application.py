"""Hashes that change their pepper, their scheme or their origin while people sign in, through the real application."""

import base64
import hashlib

import bcrypt
import pytest

LOGIN = "/api/v1/auth/login"
KEPT = ("database_url", "secret_key", "password_pepper")
FIRST, SECOND = (f"rT5yWb7NcP0sHgD2fKuEaV9oXiZk3vJx8Qm1L-{name}" for name in ("first", "second"))
ARGON2ID = {"password_hash": "argon2id", "argon2_memory_kib": 128}


@pytest.fixture
def restarted(make_house):
    """`restarted(house, **overrides)`: the same database and secrets, started anew with other settings."""
    return lambda house, **overrides: make_house(**{name: getattr(house.settings, name) for name in KEPT} | overrides)


def sign_in(house, person, password=None):
    return house.client().post(LOGIN, json={"username": person.username, "password": password or person.password})


def stored(house, person):
    return house.execute("SELECT password_hash FROM users WHERE username = :name", name=person.username)[0][0]


def came_with(house, person, imported):
    """Put in the hash that another system made, as an import does."""
    house.execute("UPDATE users SET password_hash = :imported WHERE username = :name", imported=imported, name=person.username)


def rehashed(house):
    return [event.subject_id for event in house.events("auth.password.rehashed")]


def test_a_rotated_pepper_reaches_each_hash_at_the_next_sign_in_and_the_old_one_can_go(make_house, restarted):
    first = make_house(password_pepper=FIRST)
    alice, bob = first.register(), first.register()
    before = stored(first, alice)

    second = restarted(first, password_pepper=SECOND, password_peppers_old=(FIRST,))
    assert sign_in(second, alice, "Wrong-4-certain!").status_code == 401
    assert stored(second, alice) == before
    assert sign_in(second, alice).status_code == 200
    after = stored(second, alice)
    assert before.split("$")[1] != after.split("$")[1]
    assert sign_in(second, alice).status_code == 200
    assert stored(second, alice) == after
    assert rehashed(second) == [alice.id]

    third = restarted(first, password_pepper=SECOND)
    assert sign_in(third, alice).status_code == 200
    # Bob has not signed in while his pepper was known: he is unknown to the end, and refused like anybody.
    refused = sign_in(third, bob)
    assert (refused.status_code, refused.json["code"]) == (401, "invalid_credentials")


def test_argon2id_from_registration_to_a_changed_password(make_house):
    house = make_house(**ARGON2ID)
    person = house.register()
    assert stored(house, person).split("$")[2:5] == ["argon2id", "v=19", "m=128,t=2,p=1"]
    assert sign_in(house, person).status_code == 200
    assert sign_in(house, person, person.password + "x").status_code == 401

    changed = house.client().post(
        "/api/v1/auth/change-password",
        json={"current_password": person.password, "new_password": "Another-7-winters!"},
        headers=person.headers,
    )

    assert changed.status_code < 300, changed.json
    assert sign_in(house, person).status_code == 401
    assert sign_in(house, person, "Another-7-winters!").status_code == 200
    assert rehashed(house) == []


@pytest.mark.parametrize(
    ("before", "after", "notation"),
    [
        ({}, ARGON2ID | {"password_hash_former": "bcrypt"}, "$argon2id$v=19$m=128,t=2,p=1$"),
        (ARGON2ID, {}, "$2b$04$"),
        (ARGON2ID, ARGON2ID | {"argon2_memory_kib": 256}, "$argon2id$v=19$m=256,t=2,p=1$"),
        ({"bcrypt_rounds": 5}, {"bcrypt_rounds": 4}, "$2b$04$"),
    ],
)
def test_another_scheme_or_cost_reaches_each_hash_at_the_next_sign_in(make_house, restarted, before, after, notation):
    old = make_house(**before)
    person = old.register()
    new = restarted(old, **after)
    assert notation not in stored(old, person)

    assert sign_in(new, person).status_code == 200

    assert notation in stored(new, person)
    assert rehashed(new) == [person.id]
    assert sign_in(new, person).status_code == 200
    assert rehashed(new) == [person.id]


def test_somebody_who_came_with_a_hash_of_django_signs_in_and_has_ours_from_then_on(make_house):
    house = make_house()
    person = house.register()
    digest = hashlib.pbkdf2_hmac("sha256", person.password.encode(), b"seasalt2", 1000)
    came_with(house, person, f"pbkdf2_sha256$1000$seasalt2${base64.b64encode(digest).decode()}")

    assert sign_in(house, person, "Wrong-4-certain!").status_code == 401
    assert stored(house, person).startswith("pbkdf2_sha256$")
    assert sign_in(house, person).status_code == 200

    assert stored(house, person).startswith("hmac-sha256$")
    assert rehashed(house) == [person.id]
    assert sign_in(house, person).status_code == 200


def test_somebody_whose_bcrypt_hash_ended_at_72_bytes_has_his_whole_password_counted_from_the_next_sign_in_on(make_house):
    house = make_house()
    person = house.register()
    password = "Long-1 " * 10 + "x" * 30
    came_with(house, person, bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"))

    assert sign_in(house, person, password).status_code == 200

    assert sign_in(house, person, password[:-1] + "y").status_code == 401
    assert sign_in(house, person, password).status_code == 200


def test_a_thief_who_copied_a_row_cannot_sign_in_with_the_row_itself(make_house):
    house = make_house()
    person = house.register()
    row = stored(house, person)
    assert sign_in(house, person, row).status_code == 401
    came_with(house, person, "damaged " + row)
    assert sign_in(house, person).status_code == 401
