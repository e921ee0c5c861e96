import contextlib
import random
import threading
import unicodedata

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import HashingBusy, WeakPassword
from secureapi.security.passwords import PasswordHasher, PasswordPolicy
from secureapi.security.passwords.schemes import nobody
from support.each import each

BOX = SecretBox("the secret of this installation, long enough")
PEPPER = "a pepper of more than thirty-two characters"


@pytest.fixture
def hasher_with(make_settings):
    def make(*, box=BOX, **overrides):
        return PasswordHasher(make_settings(**{"password_pepper": PEPPER, "bcrypt_rounds": 4, **overrides}), box)

    return make


@pytest.fixture
def hasher(hasher_with):
    return hasher_with()


class TestHashing:
    def test_the_right_password_verifies_and_another_does_not(self, hasher):
        stored = hasher.hash("Correct horse 7!")
        assert hasher.verify("Correct horse 7!", stored)
        for wrong in ("", "correct horse 7!", "Correct horse 7", "Correct horse 7! ", " Correct horse 7!", "Correct horse 7!\x00", stored):
            assert not hasher.verify(wrong, stored)

    def test_one_password_is_never_stored_twice_alike(self, hasher):
        assert hasher.hash("same") != hasher.hash("same")

    def test_what_is_stored_names_its_scheme_its_pepper_and_its_cost(self, hasher):
        scheme, pepper_id, kind, cost, digest = hasher.hash("x").split("$")
        assert (scheme, kind, cost, len(digest)) == ("hmac-sha256", "2b", "04", 53)
        assert len(pepper_id) == 8

    @each("length", [72, 73, 128, 1000])
    def test_every_character_counts_beyond_the_72_bytes_of_bcrypt(self, hasher, length):
        stored = hasher.hash("x" * length)
        assert hasher.verify("x" * length, stored)
        assert not hasher.verify("x" * (length - 1) + "y", stored)
        assert not hasher.verify("x" * (length + 1), stored)

    @each(("one", "other"), [("ab\x00cd", "ab\x00XX"), ("ab\x00cd", "ab"), ("ab", "ab\x00"), ("ab ", "ab"), ("\x00", "")])
    def test_nul_and_spaces_end_nothing(self, hasher, one, other):
        assert not hasher.verify(other, hasher.hash(one))

    def test_a_password_typed_on_another_keyboard_is_the_same(self, hasher):
        stored = hasher.hash("caf\u00e9")
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            assert hasher.verify(unicodedata.normalize(form, "caf\u00e9"), stored)
        assert hasher.verify("\uff43\uff41\uff46\u00e9", stored)

    @given(st.text(max_size=128))
    @settings(max_examples=40)
    def test_any_text_can_be_a_password(self, make_settings, text):
        hasher = PasswordHasher(make_settings(password_pepper=PEPPER), BOX)
        assert hasher.verify(text, hasher.hash(text))
        assert not hasher.verify(text + "x", hasher.hash(text))

    def test_a_thief_with_the_table_alone_cannot_even_check_a_guess(self, hasher):
        """Without the pepper, neither the password nor its hash nor its HMAC under a key from the table fits."""
        bcrypted = b"$" + hasher.hash("Summer2026!").split("$", 2)[2].encode()
        assert not bcrypt.checkpw(b"Summer2026!", bcrypted)

    def test_another_pepper_opens_nothing(self, hasher, hasher_with):
        stored = hasher.hash("x")
        for other in (hasher_with(password_pepper="another pepper of more than thirty-two"), hasher_with(password_pepper="")):
            assert not other.verify("x", stored)
            assert other.needs_rehash(stored)

    def test_without_a_pepper_it_is_derived_from_the_secret(self, hasher_with):
        stored = hasher_with(password_pepper="").hash("x")
        assert hasher_with(password_pepper="").verify("x", stored)
        assert not hasher_with(password_pepper="", box=SecretBox("another secret of an installation, also long")).verify("x", stored)

    def test_a_weaker_hash_is_made_anew_and_the_present_one_is_not(self, hasher_with):
        old, new = hasher_with(bcrypt_rounds=4), hasher_with(bcrypt_rounds=5)
        stored = old.hash("x")
        assert new.verify("x", stored)
        assert new.needs_rehash(stored)
        assert not old.needs_rehash(stored)
        assert not new.needs_rehash(new.hash("x"))

    def test_nobodys_hash_is_one_that_bcrypt_takes_and_no_password_fits(self):
        """A malformed one would be refused at once, and the sooner answer would tell a stranger that there is no such account."""
        for cost in range(4, 17):
            assert nobody(cost).startswith(f"$2b${cost:02d}$".encode())
            assert len(nobody(cost)) == 60
        assert not bcrypt.checkpw(b"x", nobody(4))

    def test_a_hash_of_an_older_cost_takes_the_time_of_the_present_one(self, hasher_with, monkeypatch):
        """Each step of the cost doubles the work, so what is missing is the sum of the steps between."""
        stored, costs = hasher_with(bcrypt_rounds=4).hash("x"), []
        real = bcrypt.checkpw
        monkeypatch.setattr(bcrypt, "checkpw", lambda password, hashed: costs.append(int(hashed[4:6])) or real(password, hashed))
        assert hasher_with(bcrypt_rounds=7).verify("x", stored)
        assert sum(2**cost for cost in costs) == 2**7

    def test_for_nobody_the_same_work_is_done(self, hasher, monkeypatch):
        looked = []
        real = bcrypt.checkpw
        monkeypatch.setattr(bcrypt, "checkpw", lambda password, hashed: looked.append(hashed[:7]) or real(password, hashed))
        stored = hasher.hash("x")
        assert [
            hasher.verify("y", value) for value in (stored, None, "", "elsewhere$x", stored.replace("hmac-sha256$", "hmac-sha256$0"))
        ] == [False] * 5
        assert looked == [b"$2b$04$"] * 5

    @each(
        "damage",
        [
            lambda s: "",
            lambda s: "x",
            lambda s: "$" * 10,
            lambda s: s[:-1],
            lambda s: s + "x",
            lambda s: s.replace("hmac-sha256", "plain"),
            lambda s: s[:21] + "x" * 59,
            lambda s: s[:21] + "é" * 59,
            lambda s: s.replace("$2b$", "$9z$"),
            lambda s: s.replace("$04$", "$99$"),
            lambda s: s.replace("$04$", "$0x$"),
            lambda s: s[:-10] + "!" * 10,
            lambda s: s[:30] + "\x00" + s[31:],
        ],
    )
    def test_a_row_that_was_damaged_fits_no_password_and_breaks_nothing(self, hasher, damage):
        """It costs the same work as any other, and is a refusal like any other."""
        stored = damage(hasher.hash("right"))
        assert hasher.verify("right", stored) is False


class TestGate:
    def test_only_so_many_are_hashed_at_once(self, hasher_with, monkeypatch):
        hasher, inside, most, lock = hasher_with(password_hash_workers=2), 0, 0, threading.Lock()
        meeting = threading.Barrier(2)

        def slow(password, hashed):
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            meeting.wait(10)
            with lock:
                inside -= 1
            meeting.wait(10)
            return False

        monkeypatch.setattr(bcrypt, "checkpw", slow)
        threads = [threading.Thread(target=hasher.verify, args=("x", None)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == 2

    def test_who_would_wait_too_long_is_told_so(self, hasher_with):
        hasher = hasher_with(password_hash_workers=1, password_hash_wait_seconds=0.01)
        begun, done = threading.Event(), threading.Event()

        def occupy():
            begun.set()
            done.wait(30)

        first = threading.Thread(target=lambda: suppress_busy(hasher._gate.run, occupy))
        first.start()
        assert begun.wait(10)
        for work in (lambda: hasher.verify("x", None), lambda: hasher.hash("x")):
            with pytest.raises(HashingBusy) as busy:
                work()
            assert busy.value.retry_after > 0
        done.set()
        first.join(10)
        patient = hasher_with(password_hash_workers=1)
        assert patient.verify("x", None) is False

    def test_an_accident_inside_gives_the_place_back(self, hasher_with, monkeypatch):
        hasher = hasher_with(password_hash_workers=1)

        def broken(*_args):
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr(bcrypt, "checkpw", broken)
            for _ in range(3):
                with pytest.raises(RuntimeError):
                    hasher.verify("x", None)
        assert hasher.verify("x", None) is False


def suppress_busy(run, work):
    with contextlib.suppress(HashingBusy):
        run(work)


def failed(password, *personal, app_name="secureapi"):
    """The codes of the rules that a password fails."""
    try:
        PasswordPolicy(app_name).check(password, personal=personal)
    except WeakPassword as weak:
        faults = weak.faults
    else:
        faults = []
    assert {fault.pointer for fault in faults} <= {"/password"}
    assert len(password) < 10 or password not in str([fault.detail for fault in faults])
    return [fault.code for fault in faults]


class TestPolicy:
    @each(
        "password",
        [
            "Tr0ub4dor&3x",
            "Gr\u00fcn7-Apfel",
            "correct horse battery staple",
            "x7!Kq2#Lm",
            "a long passphrase of many plain words " * 3,
            "\u5317\u4eac" * 3 + "Aa1! zeitung",
        ],
    )
    def test_a_good_password_is_accepted(self, password):
        assert failed(password) == []

    @each(
        ("password", "codes"),
        [
            ("", ["too_short", "no_upper", "no_lower", "no_digit", "no_special"]),
            ("xK7!mQ2", ["too_short"]),
            ("xk7!mq2#", ["no_upper"]),
            ("XK7!MQ2#", ["no_lower"]),
            ("xKv!mQz#", ["no_digit"]),
            ("xK7mQ2zR", ["no_special"]),
            ("aaaAAA1!", ["monotonous"]),
            ("x" * 129, ["too_long", "monotonous"]),
        ],
    )
    def test_every_rule_that_fails_is_named(self, password, codes):
        assert failed(password) == codes

    def test_sixteen_characters_need_no_classes(self):
        assert failed("vwxgtrbnmkpqzhc") == ["no_upper", "no_digit", "no_special"]
        assert failed("vwxgtrbnmkpqzhcd") == []

    def test_64_characters_of_any_kind_are_accepted(self):
        for signs in ("abcdefghijklmnop", "0918273645", " \u00e4\u00f6\u00fc\u00dfxyz", "\u3042\u3044\u3046\u3048\u304a\u304b\u304d"):
            assert failed("".join(random.Random(7).choices(signs, k=64))) == []

    @each(
        "password",
        [
            "Password1!",
            "P@ssw0rd",
            "Qwerty12!",
            "Welcome1!",
            "Letmein1!",
            "\uff30\uff41\uff53\uff53word1!",
            "Dragon99#",
            "!!Password1",
            "Iloveyou2!",
        ],
    )
    def test_what_a_guesser_tries_first_is_refused(self, password):
        assert "common" in failed(password)

    @each(
        "password",
        ["1234567890123456", "12345678901234567890", "passwordpassword", "password12345678", "Password12345!", "qwertyuiopasdfgh"],
    )
    def test_what_a_guesser_tries_next_is_not_better_for_being_long(self, password):
        """Rows of keys, and a common word twice or with a tail of digits: the first rules of every cracking tool."""
        assert failed(password) != []

    @each(
        ("password", "personal"),
        [
            ("Alice.W7", ("alice.w",)),
            ("ecilA2026!", ("alice",)),
            ("Secureapi1!", ()),
            ("ipaeruceS1!", ()),
            ("MALLORY#77", ("mallory",)),
            ("\uff21lice-77", ("alice",)),
        ],
    )
    def test_a_password_made_of_who_one_is_is_refused(self, password, personal):
        assert "personal" in failed(password, *personal)

    @each(("password", "personal"), [("My alice sings 7 songs!", ("alice",)), ("bob-Kx7!mQz", ("bob",)), ("xK7!mQ2#v", ("",))])
    def test_a_name_in_a_longer_password_is_no_fault(self, password, personal):
        assert failed(password, *personal) == []

    @given(st.text(max_size=140))
    def test_a_fuzzer_gets_a_verdict(self, password):
        failed(password, "alice", "")
