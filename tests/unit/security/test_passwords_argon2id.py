"""Argon2id as the scheme in force, and the way from one scheme or cost to another."""

import argon2.low_level
import bcrypt
import pytest
from argon2 import PasswordHasher as Argon2Library
from hypothesis import given, settings
from hypothesis import strategies as st

from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import HashingBusy
from secureapi.security.passwords import PasswordHasher
from secureapi.security.passwords.peppers import Peppers
from support.each import each

BOX = SecretBox("the secret of this installation, long enough")
PEPPER = "a pepper of more than thirty-two characters"
SMALL = {"password_hash": "argon2id", "argon2_memory_kib": 128, "argon2_time_cost": 2, "argon2_parallelism": 1}


@pytest.fixture
def hasher_with(make_settings):
    def make(**overrides):
        return PasswordHasher(make_settings(**{"password_pepper": PEPPER, "bcrypt_rounds": 4, **overrides}), BOX)

    return make


@pytest.fixture
def hasher(hasher_with):
    return hasher_with(**SMALL)


@pytest.fixture
def work(monkeypatch):
    """What was looked at: `("bcrypt", cost)`, and `("argon2", KiB, passes, lanes)`."""
    seen, real_bcrypt, real_argon2 = [], bcrypt.checkpw, argon2.low_level.hash_secret_raw

    def seen_bcrypt(password, hashed):
        seen.append(("bcrypt", int(hashed[4:6])))
        return real_bcrypt(password, hashed)

    def seen_argon2(*args, **options):
        seen.append(("argon2", options["memory_cost"], options["time_cost"], options["parallelism"]))
        return real_argon2(*args, **options)

    monkeypatch.setattr(bcrypt, "checkpw", seen_bcrypt)
    monkeypatch.setattr(argon2.low_level, "hash_secret_raw", seen_argon2)
    return seen


class TestHashing:
    def test_the_right_password_verifies_and_another_does_not(self, hasher):
        stored = hasher.hash("Correct horse 7!")
        assert hasher.verify("Correct horse 7!", stored)
        for wrong in ("", "correct horse 7!", "Correct horse 7", "Correct horse 7!\x00", stored):
            assert not hasher.verify(wrong, stored)

    def test_what_is_stored_names_its_scheme_its_pepper_and_its_cost(self, hasher):
        scheme, pepper_id, kind, version, costs, salt, digest = hasher.hash("x").split("$")
        assert (scheme, kind, version, costs, len(pepper_id)) == ("hmac-sha256", "argon2id", "v=19", "m=128,t=2,p=1", 8)
        assert (len(salt), len(digest)) == (22, 43)
        assert len(hasher.hash("x")) <= 255

    def test_one_password_is_never_stored_twice_alike(self, hasher):
        assert hasher.hash("same") != hasher.hash("same")

    def test_argon2s_own_library_agrees(self, hasher, make_settings):
        keyed = Peppers(make_settings(password_pepper=PEPPER), BOX).in_force.mixed_into("caf\u00e9")
        assert Argon2Library().verify("$" + hasher.hash("caf\u00e9").split("$", 2)[2], keyed)

    def test_a_thief_with_the_table_alone_cannot_even_check_a_guess(self, hasher):
        bare = "$" + hasher.hash("Summer2026!").split("$", 2)[2]
        with pytest.raises(argon2.exceptions.VerifyMismatchError):
            Argon2Library().verify(bare, "Summer2026!")
        assert not hasher.verify("Summer2026!", bare)

    @each("length", [72, 100, 128])
    def test_every_character_counts(self, hasher, length):
        stored = hasher.hash("x" * length)
        assert hasher.verify("x" * length, stored)
        assert not hasher.verify("x" * (length - 1) + "y", stored)

    def test_composed_and_decomposed_letters_are_one_password(self, hasher):
        assert hasher.verify("cafe\u0301", hasher.hash("caf\u00e9"))

    @each(("one", "other"), [("ab\x00cd", "ab\x00XX"), ("ab\x00cd", "ab"), ("\x00", "")])
    def test_nul_ends_nothing(self, hasher, one, other):
        assert not hasher.verify(other, hasher.hash(one))

    def test_the_costs_of_owasp_are_the_ones_that_hold_without_being_set(self, hasher_with, work):
        assert hasher_with(password_hash="argon2id").verify("x", None) is False
        assert work == [("argon2", 19_456, 2, 1)]

    @given(st.text(max_size=128))
    @settings(max_examples=40)
    def test_any_text_can_be_a_password(self, make_settings, text):
        hasher = PasswordHasher(make_settings(password_pepper=PEPPER, **SMALL), BOX)
        assert hasher.verify(text, hasher.hash(text))
        assert not hasher.verify(text + "x", hasher.hash(text))


class TestMoving:
    @each(
        ("before", "after"),
        [
            ({}, SMALL),
            (SMALL, {}),
            ({"bcrypt_rounds": 4}, {"bcrypt_rounds": 5}),
            ({"bcrypt_rounds": 5}, {"bcrypt_rounds": 4}),
            (SMALL, SMALL | {"argon2_memory_kib": 256}),
            (SMALL, SMALL | {"argon2_time_cost": 3}),
            (SMALL, SMALL | {"argon2_parallelism": 2}),
            (SMALL | {"argon2_memory_kib": 256}, SMALL),
        ],
    )
    def test_what_was_made_before_is_good_and_is_made_anew(self, hasher_with, before, after):
        old, new = hasher_with(**before), hasher_with(**after)
        stored = old.hash("x")
        assert new.verify("x", stored)
        assert not new.verify("y", stored)
        assert new.needs_rehash(stored)
        renewed = new.rehashed("x", stored)
        assert new.verify("x", renewed)
        assert not new.needs_rehash(renewed)
        assert new.rehashed("x", renewed) is None

    def test_who_gave_the_right_password_is_let_in_even_when_there_is_no_time_for_a_better_hash(self, hasher_with, monkeypatch):
        old, new = hasher_with(), hasher_with(**SMALL)
        stored = old.hash("x")

        def busy(_password, **_rank):
            raise HashingBusy(retry_after=1)

        monkeypatch.setattr(new, "hash", busy)
        assert new.rehashed("x", stored) is None

    @each("kind", ["bcrypt", "argon2id"])
    def test_the_dearest_that_could_ever_be_set_is_still_read(self, hasher_with, kind):
        """Read, not computed: a row of cost 16 takes four seconds."""
        pepper_id = hasher_with().hash("x").split("$")[1]
        rest = {"bcrypt": "$2b$16$" + "." * 53, "argon2id": "$argon2id$v=19$m=131072,t=4,p=16$c29tZXNhbHQ$" + "A" * 43}[kind]
        found, _ = hasher_with()._read(f"hmac-sha256${pepper_id}{rest}", "x")
        assert found is not None

    @each("rest", ["$2a$04$", "$2y$04$", "$2b$17$", "$2b$03$", "$argon2i$v=19$m=128,t=2,p=1$", "$argon2id$m=128,t=2,p=1$"])
    def test_what_was_never_made_here_is_not_read_under_our_name(self, hasher, rest):
        pepper_id = hasher.hash("x").split("$")[1]
        tail = "." * 53 if rest.startswith("$2") else "c29tZXNhbHQ$" + "A" * 43
        assert hasher._read(f"hmac-sha256${pepper_id}{rest}{tail}", "x")[0] is None


class TestTime:
    """The work, counted: known, unknown, damaged and moved accounts must not differ for somebody with a stop-watch."""

    def test_for_nobody_and_for_a_damaged_row_the_work_is_that_of_somebody(self, hasher, work):
        stored = hasher.hash("x")
        work.clear()
        for value in (stored, None, "", "damaged", stored[:-1], stored.replace("m=128", "m=127x"), stored.replace("argon2id", "argon2d")):
            assert hasher.verify("y", value) is False
        assert work == [("argon2", 128, 2, 1)] * 7

    @each(("memory", "passes"), [(128, 1), (128, 2), (256, 3), (1000, 1), (512, 4), (200, 7)])
    def test_a_cheaper_hash_takes_the_work_of_the_present_one(self, hasher_with, work, memory, passes):
        stored = hasher_with(**SMALL | {"argon2_memory_kib": memory, "argon2_time_cost": passes}).hash("x")
        work.clear()
        assert hasher_with(**SMALL | {"argon2_memory_kib": 1024, "argon2_time_cost": 4}).verify("x", stored)
        assert work[0] == ("argon2", memory, passes, 1)
        assert sum(kib * times for _, kib, times, _ in work) == pytest.approx(4096, rel=0.01)

    def test_what_is_missing_is_never_less_than_the_lanes_need(self, hasher_with, work):
        stored = hasher_with(**SMALL | {"argon2_memory_kib": 255, "argon2_parallelism": 16}).hash("x")
        work.clear()
        assert hasher_with(**SMALL | {"argon2_memory_kib": 256, "argon2_parallelism": 16}).verify("x", stored)
        assert work == [("argon2", 255, 2, 16), ("argon2", 128, 2, 16)]

    def test_a_hash_of_the_former_scheme_takes_at_least_the_work_of_one_of_ours(self, hasher_with, work):
        stored = hasher_with().hash("x")
        assert hasher_with(**SMALL).verify("x", stored)
        assert work == [("bcrypt", 4), ("argon2", 128, 2, 1)]

    @each("name", ["bcrypt", "argon2id"])
    def test_while_people_move_everybody_takes_the_work_of_both(self, hasher_with, work, name):
        """bcrypt takes ten times the time of Argon2id: without this, who has not signed in since is known by waiting for his refusal."""
        former = "bcrypt" if name == "argon2id" else "argon2id"
        hasher = hasher_with(**SMALL | {"password_hash": name, "password_hash_former": former})
        rows = [hasher_with(**SMALL | {"password_hash": kind}).hash("x") for kind in ("bcrypt", "argon2id")]
        for stored in (*rows, None, "damaged"):
            work.clear()
            hasher.verify("y", stored)
            assert sorted(work) == [("argon2", 128, 2, 1), ("bcrypt", 4)]
