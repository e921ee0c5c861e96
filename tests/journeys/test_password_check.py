"""Asking whether a password would do: every reason at once, and nothing left behind."""

import hashlib
import json
import secrets

import pytest
from sqlalchemy import text

from journeys.answers import assert_problem
from secureapi.core.database import Base, Database
from secureapi.security.passwords import PasswordHasher
from support.cases import Cases

PATH = "/auth/password/check"
GOOD = "Tall-Trees-42!"
BALANCED = {
    "mode": "balanced",
    "least_characters": 8,
    "most_characters": 128,
    "character_classes": ["upper", "lower", "digit", "special"],
    "classes_until": 16,
    "least_different_characters": 6,
    "remembered_passwords": 0,
    "refuses": ["common", "guessable", "personal"],
}


def check(house, password, base="/api/v1", **about):
    return house.client().post(base + PATH, json={"password": password, **about})


def codes(answer):
    assert answer.status_code == 200, answer.text
    return [fault["code"] for fault in answer.json["errors"]]


def test_a_good_password_is_acceptable(house, base):
    answer = check(house, GOOD, base)

    assert (answer.status_code, answer.json) == (200, {"is_acceptable": True, "errors": [], "policy": BALANCED})
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_rule_that_fails_is_named_with_a_sentence(house):
    answer = check(house, "zqxvw1")

    assert answer.json["is_acceptable"] is False
    assert codes(answer) == ["too_short", "no_upper", "no_special"]
    assert answer.json["errors"][0] == {"code": "too_short", "detail": "It must have at least 8 characters."}


def test_a_password_that_nobody_could_have_is_answered_too(house):
    with Cases() as case:
        for password, expected in (
            ("", "too_short"),
            ("x" * 129, "too_long"),
            ("\U0001f600" * 1024, "too_long"),
            ("Password123!", "common"),
            ("Secureapi1!", "personal"),
        ):
            with case(password, expected):
                assert expected in codes(check(house, password))


def test_who_one_is_may_be_told(house):
    with Cases() as case:
        for about, password in (
            ({"username": "gardener"}, "Gardener7!"),
            ({"email": "g.ardener@orchard.example"}, "Orchard-77!"),
            ({"email": "not an address"}, "Not an address 7"),
            ({"full_name": "Rosalind Quince"}, "Ecniuq2026!"),
            ({"username": "", "email": "", "full_name": None}, None),
        ):
            with case(about, password):
                if password:
                    assert "personal" in codes(check(house, password, **about))
                assert codes(check(house, GOOD, **about)) == []


def test_what_it_says_is_what_registration_says(house):
    for password in ("weak", "password123!", "alllowercase1!", "Gardener77!", "1234567890123456", GOOD):
        word = secrets.token_hex(5)
        who = {"username": f"g-{word}", "email": f"gardener@{word}.example", "full_name": "Rosalind Quince"}
        answer = house.client().post("/auth/register", json=who | {"password": password})
        refused = [] if answer.status_code == 201 else [fault["code"] for fault in assert_problem(answer, 400, "weak_password")["errors"]]
        assert refused == codes(check(house, password, **who))


@pytest.mark.parametrize("mode", ["composition", "nist"])
def test_a_form_is_told_of_the_policy_in_force(make_house, mode, tmp_path):
    digest = hashlib.sha1(GOOD.encode()).hexdigest().upper()
    (tmp_path / f"{digest[:5]}.txt").write_text(f"{digest[5:]}:3\n")
    (tmp_path / "words.txt").write_text("zorblax\n")
    house = make_house(
        password_policy=mode, password_history=4, password_denylist_file=str(tmp_path / "words.txt"), password_breach_dir=str(tmp_path)
    )

    told = check(house, GOOD).json["policy"]

    assert (told["mode"], told["least_characters"]) == (mode, 15 if mode == "nist" else 8)
    assert told["remembered_passwords"] == 4
    assert {"denied", "breached", "reused"} <= set(told["refuses"])
    assert ("breached" in codes(check(house, GOOD)), "denied" in codes(check(house, "Zorblax77!x"[:9]))) == (True, True)


def test_what_has_another_shape_is_refused(house):
    with Cases() as case:
        for body in (
            {},
            {"password": None},
            {"password": 7},
            {"password": ["x"]},
            {"password": "x" * 1025},
            {"password": "x\0"},
            {"password": "x", "username": "y" * 321},
            {"password": "x", "full_name": "y" * 101},
            {"password": "x", "username": None},
            {"password": "x", "role": "admin"},
        ):
            with case(body):
                assert_problem(house.client().post(PATH, json=body), 422)


def test_it_has_a_limit_of_its_own(make_house, engine):
    """Whoever tries three passwords must still be able to register with the fourth."""
    house = make_house(engine, password_check_rate_limit="3/minute", register_rate_limit="1/minute")

    answers = [check(house, GOOD) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert_problem(answers[-1], 429)


def rows_of(house):
    """Every row of every table."""
    with house.service(Database).reading() as connection:
        return {name: sorted(map(str, connection.execute(text(f"SELECT * FROM {name}")).all())) for name in Base.metadata.tables}


def test_asking_leaves_no_trace(make_house, engine, capfd, monkeypatch):
    """In the database, in the trail, and in the most talkative log; and no hash is made that somebody could measure or exhaust."""
    house = make_house(engine, log_level="DEBUG")
    house.register()
    before = rows_of(house)
    words = {"username": "rosalind-q", "email": "rosalind@orchard.example", "full_name": "Rosalind Quince"}
    capfd.readouterr()

    def hashing(*_args):
        raise AssertionError("a password was hashed")

    monkeypatch.setattr(PasswordHasher, "hash", hashing)
    monkeypatch.setattr(PasswordHasher, "verify", hashing)
    for password in ("Zorblax-Trees-42!", "zorblax", "zorblaxzorblaxzorblax"):
        answer = check(house, password, **words)
        assert answer.status_code == 200
        assert "zorblax" not in json.dumps(answer.json).lower()

    written = "".join(capfd.readouterr())
    assert PATH in written, "the requests themselves are logged"
    for word in ("zorblax", "rosalind", "orchard", "quince"):
        assert word not in written.lower()
    assert rows_of(house) == before
