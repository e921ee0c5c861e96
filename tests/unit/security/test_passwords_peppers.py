"""Peppers that follow one another, and the settings that say so."""

import pytest

from secureapi.core.secret_values import SecretBox
from secureapi.security.passwords import PasswordHasher
from secureapi.security.passwords.peppers import Peppers
from secureapi.settings import SettingsRefused, load_settings
from secureapi.settings.rules import faults_of
from support.each import each

BOX = SecretBox("the secret of this installation, long enough")
FIRST, SECOND, THIRD = (f"Zk3vJx8Qm1LrT5yWb7NcP0sHgD2fKuEaV9oXi{name}" for name in ("first", "second", "third"))
OWASP_PAIRS = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)]


@pytest.fixture
def hasher_with(make_settings):
    def make(pepper, *old, box=BOX):
        return PasswordHasher(make_settings(password_pepper=pepper, password_peppers_old=old, bcrypt_rounds=4), box)

    return make


@pytest.fixture
def names_of_faults(make_settings):
    def find(**overrides):
        return [fault.partition(":")[0] for fault in faults_of(make_settings(**overrides))]

    return find


class TestRotation:
    def test_a_hash_with_a_former_pepper_is_good_and_is_made_anew_under_the_present_one(self, hasher_with):
        stored = hasher_with(FIRST).hash("x")
        rotated = hasher_with(SECOND, FIRST)
        assert rotated.verify("x", stored)
        assert not rotated.verify("y", stored)
        renewed = rotated.rehashed("x", stored)
        assert renewed.split("$")[1] == rotated.hash("x").split("$")[1] != stored.split("$")[1]
        assert rotated.rehashed("x", renewed) is None
        assert hasher_with(SECOND).verify("x", renewed)

    def test_several_former_ones_are_known_at_a_time(self, hasher_with):
        third = hasher_with(THIRD, SECOND, FIRST)
        for stored in (hasher_with(FIRST).hash("x"), hasher_with(SECOND).hash("x")):
            assert third.verify("x", stored)
            assert third.needs_rehash(stored)

    def test_one_that_was_taken_off_the_list_opens_nothing(self, hasher_with):
        assert not hasher_with(THIRD, SECOND).verify("x", hasher_with(FIRST).hash("x"))

    def test_a_thief_who_learned_a_former_pepper_cannot_pass_his_own_row_off_as_one_of_the_present(self, hasher_with):
        """The id in a row chooses the key; a row under another id than its own fits nothing."""
        old, new = hasher_with(FIRST), hasher_with(SECOND, FIRST)
        relabelled = old.hash("x").replace(old.hash("x").split("$")[1], new.hash("x").split("$")[1])
        assert not new.verify("x", relabelled)

    def test_setting_a_pepper_for_the_first_time_locks_nobody_out(self, hasher_with):
        stored = hasher_with("").hash("x")
        first = hasher_with(FIRST)
        assert first.verify("x", stored)
        assert first.needs_rehash(stored)
        assert not hasher_with(FIRST, box=SecretBox("another secret of an installation, also long")).verify("x", stored)

    def test_ids_stay_what_they_were(self, make_settings):
        """Rows that are stored name them: an id that is computed in another way would lock everybody out."""
        settings = make_settings(password_pepper="a pepper of more than thirty-two characters", bcrypt_rounds=4)
        peppers = Peppers(settings, BOX)
        assert peppers.in_force.id == "4eccae25"
        assert peppers.in_force.mixed_into("caf\u00e9") == b"Zzf8zFzcJqTnJgaQ2gK69imoaWDQc4oOOtLP4FVRr4U="
        stored = "hmac-sha256$4eccae25$2b$04$FQ8xB6T.lyjZJl35AqG8JeHo74sCZhIuRqUwj7JtOxAczy/saANcG"
        assert PasswordHasher(settings, BOX).verify("Stored before, 2026", stored)
        assert not PasswordHasher(settings, BOX).needs_rehash(stored)

    def test_a_pepper_does_not_show_itself(self, make_settings):
        settings = make_settings(password_pepper=SECOND, password_peppers_old=(FIRST,))
        shown = f"{Peppers(settings, BOX).in_force!r}{settings!r}"
        assert SECOND not in shown
        assert FIRST not in shown


class TestSettings:
    def test_former_peppers_are_a_list_with_commas(self):
        loaded = load_settings(
            {
                "SECRET_KEY": "rT5yWb7NcP0sHgD2fKuEaV9oXiZk3vJx8Qm1L-main",
                "DATABASE_URL": "sqlite:///:memory:",
                "PASSWORD_PEPPER": THIRD,
                "PASSWORD_PEPPERS_OLD": f" {SECOND} ,{FIRST}",
            }
        )
        assert loaded.password_peppers_old == (SECOND, FIRST)

    @each("bad", ["short", FIRST[:31], "a" * 40, "change-me-please-1234567890-abcdefghij"])
    def test_each_must_be_a_secret_like_any_other(self, names_of_faults, bad):
        assert names_of_faults(password_pepper=SECOND, password_peppers_old=(FIRST, bad)) == ["PASSWORD_PEPPERS_OLD"]

    def test_a_fault_is_named_once_and_its_value_never(self):
        with pytest.raises(SettingsRefused) as refused:
            load_settings({"SECRET_KEY": FIRST, "DATABASE_URL": "sqlite:///:memory:", "PASSWORD_PEPPERS_OLD": "canary-a,canary-b"})
        assert sorted(fault.partition(":")[0] for fault in refused.value.faults) == ["PASSWORD_PEPPERS_OLD"] * 2
        assert "canary" not in str(refused.value)

    @each(
        "overrides",
        [
            {"password_pepper": FIRST, "password_peppers_old": (FIRST,)},
            {"password_pepper": SECOND, "password_peppers_old": (FIRST, FIRST)},
            {"password_pepper": SECOND, "password_peppers_old": (FIRST,), "secret_key": FIRST},
            {"password_pepper": SECOND, "password_peppers_old": (FIRST,), "jwt_secret_key": FIRST},
            {"password_pepper": SECOND, "password_peppers_old": (FIRST,), "key_encryption_key": FIRST},
            {"password_pepper": "", "password_peppers_old": (FIRST,)},
        ],
    )
    def test_a_list_that_cannot_be_meant_is_refused(self, names_of_faults, overrides):
        assert names_of_faults(**overrides) == ["PASSWORD_PEPPERS_OLD"]

    def test_a_list_that_can_is_not(self, names_of_faults):
        assert names_of_faults(password_pepper=THIRD, password_peppers_old=(SECOND, FIRST)) == []

    @each("pair", OWASP_PAIRS)
    def test_outside_development_argon2id_costs_what_owasp_asks(self, names_of_faults, pair):
        memory, passes = pair
        usual = {"environment": "production", "bcrypt_rounds": 4, "password_hash": "argon2id"}
        assert names_of_faults(**usual, argon2_memory_kib=memory, argon2_time_cost=passes) == []
        assert names_of_faults(**usual, argon2_memory_kib=memory + 1, argon2_time_cost=passes + 1) == []
        assert names_of_faults(**usual, argon2_memory_kib=memory - 1, argon2_time_cost=passes) == ["ARGON2_MEMORY_KIB"]
        lenient = usual | {"environment": "development"}
        assert names_of_faults(**lenient, argon2_memory_kib=128, argon2_time_cost=1) == []

    def test_the_cost_of_a_scheme_that_is_not_in_force_may_be_anything(self, names_of_faults):
        assert names_of_faults(environment="production", bcrypt_rounds=12, argon2_memory_kib=128) == []

    def test_a_hash_that_would_take_seconds_is_refused(self, names_of_faults):
        assert names_of_faults(argon2_memory_kib=131_072, argon2_time_cost=4) == []
        assert names_of_faults(argon2_memory_kib=131_072, argon2_time_cost=5) == ["ARGON2_MEMORY_KIB"]

    def test_the_former_scheme_is_another(self, names_of_faults):
        assert names_of_faults(password_hash="argon2id", password_hash_former="bcrypt") == []
        assert names_of_faults(password_hash_former="bcrypt") == ["PASSWORD_HASH_FORMER"]
