"""What a new password must be: each mode as a table, and what guessers try first. The lists on disk are in test_password_lists.py."""

import random
import string
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureapi.security.errors import WeakPassword
from secureapi.security.passwords import PasswordPolicy, generate_password, words_about
from secureapi.security.passwords.breaches import BreachFiles
from secureapi.security.passwords.denylist import Denylist
from secureapi.security.passwords.policy import MODES
from secureapi.security.passwords.strength import score_of
from support.each import each

PASSPHRASE = "violet kettle under nine rivers"
ALICE = words_about(username="alice_l", email="a.liddell@wonderland.example", full_name="Alice Pleasance Liddell")
E_ACUTE, E_AND_ACCENT = "\u00e9", "e\u0301"
BALLOON = "\U0001f388"
EMOJI = "\U0001f600\U0001f680\U0001f308\U0001f355\U0001f3b8\U0001f40d\U0001f511\U0001f30b"
WITH_A_SECOND_FACTOR = {"has_second_factor": True}


def failed(mode, password, personal=(), *, app_name="secureapi", denylist=None, breaches=None, **asked):
    """The codes of the rules that a password fails."""
    policy = PasswordPolicy(app_name, MODES[mode], denylist, breaches)
    return [fault.code for fault in policy.faults(password, personal=personal, **asked)]


class TestModes:
    @each(
        ("password", "balanced", "composition", "nist"),
        [
            ("xK7!mQ2#", [], [], ["too_short"]),
            ("xK7!mQ2", ["too_short"], ["too_short"], ["too_short"]),
            ("xk7!mq2#", ["no_upper"], ["no_upper"], ["too_short"]),
            ("XK7!MQ2#", ["no_lower"], ["no_lower"], ["too_short"]),
            ("xKv!mQz#", ["no_digit"], ["no_digit"], ["too_short"]),
            ("xK7mQ2zR", ["no_special"], ["no_special"], ["too_short"]),
            (PASSPHRASE, [], ["no_upper", "no_digit"], []),
            ("vwxgtrbnmkpqzhcd", [], ["no_upper", "no_digit", "no_special"], []),
            ("vwxgtrbnmkpqzhc", ["no_upper", "no_digit", "no_special"], ["no_upper", "no_digit", "no_special"], []),
            ("vwxgtrbnmkpqzh", ["no_upper", "no_digit", "no_special"], ["no_upper", "no_digit", "no_special"], ["too_short"]),
            ("aaaAAA1!", ["monotonous"], ["monotonous"], ["too_short"]),
            ("Aa1!" * 5, ["monotonous"], ["monotonous"], ["guessable"]),
            ("a" * 64, ["monotonous"], ["no_upper", "no_digit", "no_special", "monotonous"], ["guessable"]),
            ("Passwordpassword1!", ["guessable"], [], ["guessable"]),
            ("1234567890123456", ["guessable"], ["no_upper", "no_lower", "no_special"], ["guessable"]),
        ],
    )
    def test_what_each_mode_says(self, password, balanced, composition, nist):
        assert [failed(mode, password) for mode in ("balanced", "composition", "nist")] == [balanced, composition, nist]

    @each(
        ("password", "codes"),
        [
            ("vwxgtrbn", []),
            ("xK7!mQ2", ["too_short"]),
            ("87654321", ["guessable"]),
            ("aaaaaaab", ["guessable"]),
            ("qwaszx12", ["guessable"]),
        ],
    )
    def test_with_a_second_factor_eight_characters_will_do_for_nist(self, password, codes):
        found = failed("nist", password, **WITH_A_SECOND_FACTOR)

        assert set(codes) <= set(found)
        assert bool(codes) == bool(found)

    @each("mode", ["balanced", "composition"])
    def test_a_second_factor_changes_nothing_in_the_other_modes(self, mode):
        assert failed(mode, "vwxgtrbn", **WITH_A_SECOND_FACTOR) == failed(mode, "vwxgtrbn") != []

    @each("mode", MODES)
    def test_no_mode_asks_for_less_than_the_next_longer_password_has(self, mode):
        rng = random.Random(4)
        for length in (15, 16, 17, 32, 63, 64, 65, 100, 128):
            password = "aB3!" + "".join(rng.choices(string.ascii_letters + string.digits + string.punctuation, k=length - 4))
            assert failed(mode, password) == []

    @each("mode", MODES)
    def test_what_a_form_is_told_is_what_is_asked(self, mode):
        told = PasswordPolicy("secureapi", MODES[mode]).requirements()
        signs = {"upper": "KWQ", "lower": "xvm", "digit": "739", "special": "#!%"}
        password = ("".join(signs[name] for name in told.character_classes) or "violet kettle under") + "zT4&hG8"

        assert failed(mode, password.ljust(told.least_characters, "y")) == []
        assert "too_short" in failed(mode, password[: told.least_characters - 1])
        for name in told.character_classes:
            bare = "".join(signs[other] * 2 for other in signs if other != name)[:15]
            assert failed(mode, bare) == [f"no_{name}"]

    def test_a_form_is_told_of_the_lists_that_are_in_force(self, tmp_path):
        (tmp_path / "words").write_text("x")
        bare = PasswordPolicy("secureapi").requirements()
        full = PasswordPolicy("secureapi", MODES["nist"], Denylist(tmp_path / "words"), BreachFiles(tmp_path), remembered=3)

        assert bare.refuses == ("common", "guessable", "personal")
        assert full.requirements().refuses == ("common", "guessable", "personal", "denied", "breached", "reused")
        assert (full.requirements().remembered_passwords, full.requirements(**WITH_A_SECOND_FACTOR).least_characters) == (3, 8)


class TestLength:
    @each("mode", MODES)
    def test_128_characters_are_accepted_and_129_are_not(self, mode):
        signs = [chr(0x4E00 + n) for n in range(200)]
        password = "aB3!" + "".join(signs[:124])

        assert failed(mode, password) == []
        assert failed(mode, password + "x") == ["too_long"]

    @each("mode", ["balanced", "nist"])
    @each("sign", [BALLOON, "\u00e4\u6f22", "\u3042 "])
    def test_64_characters_of_any_script_are_accepted(self, mode, sign):
        assert failed(mode, ("".join(map(chr, range(0x3400, 0x3440))) + sign)[-64:]) == []

    def test_an_emoji_is_one_character(self):
        assert failed("nist", EMOJI[:7], **WITH_A_SECOND_FACTOR) == ["too_short"]
        assert failed("nist", EMOJI, **WITH_A_SECOND_FACTOR) == []
        assert failed("balanced", EMOJI) == ["no_upper", "no_lower", "no_digit"]

    def test_a_letter_and_its_accent_are_as_long_as_the_letter_with_it(self):
        """Or the same password would be too long from one keyboard and not from another."""
        for password in ("Kx7!mQz" + E_ACUTE, "Kx7!mQ" + E_ACUTE, PASSPHRASE + E_ACUTE * 3, "aB3!" + E_ACUTE * 124, "aB3!" + E_ACUTE * 125):
            apart = unicodedata.normalize("NFD", password)
            assert apart != password
            for mode in MODES:
                assert failed(mode, apart) == failed(mode, password)

    def test_one_sign_that_unfolds_to_eighteen_letters_is_no_long_password(self):
        assert "too_short" in failed("balanced", "\ufdfa")
        assert "too_short" in failed("nist", "\ufdfa")
        assert failed("nist", "\ufdfa" * 15) == ["guessable"]

    def test_full_width_letters_are_the_letters_that_are_hashed(self):
        assert "common" in failed("balanced", "\uff30\uff41\uff53\uff53word1!")


class TestGuessers:
    @each("mode", MODES)
    @each(
        "password",
        [
            "Password123!",
            "P@ssw0rd2026!",
            "Welcome2026!",
            "Qwerty123456!",
            "!!!Letmein!!!",
            "Dr4g0n1984!!",
            "123456",
            "iloveyou",
            "M0nkey-2026",
        ],
    )
    def test_a_favourite_in_its_usual_dress_is_refused_in_every_mode(self, mode, password):
        assert "common" in failed(mode, password)

    @each(
        "password",
        [
            "alice_l1!A",
            "Alice2026!",
            "2026!ecilA",
            "Liddell#77",
            "a.liddell@wonderland.example",
            "elpmaxe.dnalrednow@lleddil.a",
            "Wonderland1!",
            "!1dnalrednoW",
            "AliceLiddell1!"[:12],
            "Pleasance-99",
            "Al1ce2026!",
            "4l!ce!2026",
            "A-l-i-c-e1",
            "alicepleasanceliddell",
            "\uff21lice-2026",
        ],
    )
    @each("mode", MODES)
    def test_who_one_is_is_tried_first(self, mode, password):
        assert "personal" in failed(mode, password, ALICE)

    @each("password", ["Moonbase2026!", "!1Esabnoom", "Acme-Moonbase", "M00nbase-1", "moonbaseACME7!"])
    def test_so_is_the_name_of_the_service(self, password):
        assert "personal" in failed("balanced", password, app_name="Acme Moonbase")
        assert "personal" not in failed("balanced", password)

    @each("password", ["My alice sings 7 songs!", "violet kettle alice rivers", "bob-Kx7!mQz", "Example-of-Kx7!mQz"])
    def test_a_name_within_much_else_is_no_fault(self, password):
        assert failed("balanced", password, ALICE) == []

    @each("password", ["com-Kx7!mQz", "Com!2026xy"])
    def test_neither_is_what_everybodys_address_has(self, password):
        assert failed("balanced", password, words_about(username="bob", email="bob@w.com")) == []

    @each(
        "password",
        [
            "qwertyuiopasdfgh",
            "passwordpassword",
            "abcdefghijklmnop",
            "1qaz2wsx3edc4rfv",
            "p4ssw0rdp4ssw0rd",
            "20261121202611212026",
            "aliceliddell12345",
        ],
    )
    @each("mode", ["balanced", "nist"])
    def test_length_alone_is_no_strength(self, mode, password):
        assert failed(mode, password, ALICE) != []

    def test_one_persons_words_are_not_counted_against_the_next(self):
        """zxcvbn keeps them in a table that all threads share."""
        from zxcvbn import matching

        before = set(matching.RANKED_DICTIONARIES)
        assert score_of("zorblax vintooquax", ["zorblax", "vintooquax", "zorblax vintooquax"]) < 3
        assert score_of("zorblax vintooquax", []) == 4
        assert set(matching.RANKED_DICTIONARIES) == before
        assert "zorblax" not in matching.RANKED_DICTIONARIES.get("user_inputs", {})

    @each("length", [16, 32, 63, 128])
    def test_nobody_keeps_us_busy_with_signs_that_stand_for_letters(self, length):
        """These took zxcvbn 2.8 seconds each, for anybody who registers. Measured in CPU time, so that a busy machine does not matter."""
        policy = PasswordPolicy("secureapi")
        policy.faults("vwxgtrbnmkpqzhcd")
        began = time.thread_time()
        policy.faults(("4@8({[<369&#!1/|0$5+7%2" * 6)[:length], personal=ALICE)
        assert time.thread_time() - began < 0.5

    def test_whoever_has_signs_in_his_name_is_known_by_them_however_many_there_are(self):
        for name in ("R0s4l!e [Qu1nce] $5", "4@8({[<369&#!1/|0$"):
            assert score_of(name, [name]) < 3

    def test_a_name_of_a_thousand_words_makes_no_more_work(self):
        words = words_about(username="x" * 300, email=".".join(["abcd"] * 60) + "@" + ".".join(["efgh"] * 60), full_name="Jane " * 1000)
        assert len(words) <= 40
        assert max(map(len, words)) <= 100 * 4

    @given(st.text(max_size=140), st.text(max_size=40))
    def test_a_fuzzer_gets_the_same_verdict_however_the_letters_are_composed(self, password, name):
        personal = words_about(username=name, email=f"{name}@example.com", full_name=name)
        for mode in MODES:
            verdict = failed(mode, password, personal)
            assert failed(mode, unicodedata.normalize("NFD", password), personal) == verdict

    def test_no_fault_repeats_the_password(self):
        password = "alice_l1!A"
        with pytest.raises(WeakPassword) as weak:
            PasswordPolicy("secureapi").check(password, personal=ALICE)
        assert password not in str([(fault.code, fault.detail) for fault in weak.value.faults])
        assert {fault.pointer for fault in weak.value.faults} == {"/password"}


class TestGenerator:
    @each("mode", MODES)
    def test_what_is_made_passes_every_policy(self, mode):
        for _ in range(30):
            assert failed(mode, generate_password(), ALICE) == []

    def test_no_two_are_alike_and_nothing_in_them_looks_alike(self):
        made = {generate_password() for _ in range(500)}
        assert len(made) == 500
        assert set("".join(made)).isdisjoint("0O1Il")
        assert {len(password) for password in made} == {23}
        assert len(set("".join(made))) == 56
