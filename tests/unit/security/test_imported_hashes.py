"""Hashes of other systems: what their libraries made is good here once, and is ours afterwards."""

import base64
import hashlib
import time

import bcrypt
import pytest
from argon2 import PasswordHasher as Argon2Library
from argon2 import Type
from argon2.low_level import hash_secret
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash

from secureapi.core.secret_values import SecretBox
from secureapi.security.passwords import PasswordHasher
from secureapi.security.passwords.imported import read_imported
from support.each import each

BOX = SecretBox("the secret of this installation, long enough")
PEPPER = "a pepper of more than thirty-two characters"
PASSWORD = "l\u00e8tmein, Summer 2026!"


def django(digest_name, password=PASSWORD, *, iterations=7, salt="seasalt2"):
    """As Django's documentation describes it: algorithm, iterations, salt and digest, with a $ between."""
    digest = hashlib.pbkdf2_hmac(digest_name, password.encode(), salt.encode(), iterations)
    return f"pbkdf2_{digest_name}${iterations}${salt}${base64.b64encode(digest).decode()}"


def werkzeug(digest_name, *, iterations=9):
    """As Werkzeug writes it: the method and its costs, the salt, and the digest in hexadecimal digits."""
    return (
        f"pbkdf2:{digest_name}:{iterations}$pepperandsalt$"
        + hashlib.pbkdf2_hmac(digest_name, PASSWORD.encode(), b"pepperandsalt", iterations).hex()
    )


def bare_bcrypt(prefix="2b", password=PASSWORD, *, cost=4):
    return (
        bcrypt.hashpw(password.encode()[:72], f"$2b${cost:02d}$seasaltseasaltseasalte".encode()).decode().replace("$2b$", f"${prefix}$", 1)
    )


def argon2(kind=Type.ID, password=PASSWORD, *, version=19, memory=64, passes=1, lanes=1, length=32):
    made = hash_secret(
        password.encode(),
        b"saltsaltsaltsalt",
        time_cost=passes,
        memory_cost=memory,
        parallelism=lanes,
        hash_len=length,
        type=kind,
        version=version,
    )
    return made.decode().replace("$v=16$", "$")


IMPORTED = {
    "bcrypt 2a": bare_bcrypt("2a"),
    "bcrypt 2b": bare_bcrypt("2b"),
    "bcrypt 2y": bare_bcrypt("2y"),
    "argon2i": argon2(Type.I),
    "argon2i, version 1.0": argon2(Type.I, version=16),
    "argon2id": argon2(),
    "argon2id, four lanes": argon2(lanes=4, memory=256, passes=3),
    "argon2id, a short digest": argon2(length=16),
    "django sha256": django("sha256"),
    "django sha1": django("sha1"),
    "werkzeug pbkdf2 sha256": werkzeug("sha256"),
    "werkzeug pbkdf2 sha512": werkzeug("sha512"),
    "werkzeug scrypt": "scrypt:16:2:3$seasalt$" + hashlib.scrypt(PASSWORD.encode(), salt=b"seasalt", n=16, r=2, p=3).hex(),
}


@pytest.fixture
def hasher_with(make_settings):
    def make(**overrides):
        return PasswordHasher(make_settings(**{"password_pepper": PEPPER, "bcrypt_rounds": 4, **overrides}), BOX)

    return make


@pytest.fixture
def hasher(hasher_with):
    return hasher_with()


@pytest.fixture
def bcrypt_work(monkeypatch):
    """The costs of the bcrypt strings that were looked at; each step is twice the work."""
    costs, real = [], bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda password, hashed: costs.append(int(hashed[4:6])) or real(password, hashed))
    return costs


SCRYPT_OF_RFC_7914 = (
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)


class TestVerifying:
    @each("stored", IMPORTED.values(), ids=IMPORTED)
    def test_what_another_library_made_fits_its_password_and_no_other(self, hasher, stored):
        assert hasher.verify(PASSWORD, stored)
        for wrong in ("", "letmein, Summer 2026!", PASSWORD + " ", PASSWORD + "\x00", PASSWORD[:-1], stored):
            assert not hasher.verify(wrong, stored)

    @each("stored", IMPORTED.values(), ids=IMPORTED)
    def test_it_is_made_anew_as_ours_and_then_stays(self, hasher, stored):
        renewed = hasher.rehashed(PASSWORD, stored)
        assert renewed.startswith("hmac-sha256$")
        assert hasher.verify(PASSWORD, renewed)
        assert hasher.rehashed(PASSWORD, renewed) is None

    @each(
        ("password", "stored"),
        [
            # RFC 6070, RFC 7914 sections 11 and 12, and the tests of Argon2's reference implementation.
            ("password", "pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE="),
            ("Password", "pbkdf2:sha256:80000$NaCl$4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"),
            (
                "pleaseletmein",
                f"scrypt:16384:8:1$SodiumChloride${SCRYPT_OF_RFC_7914}",
            ),
            ("password", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"),
            ("password", "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"),
            ("password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
            ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ],
    )
    def test_published_vectors_fit(self, hasher, password, stored):
        assert hasher.verify(password, stored)
        assert not hasher.verify(f"{password}x", stored)

    @each(
        "make",
        [
            lambda: Argon2Library().hash(PASSWORD),
            lambda: generate_password_hash(PASSWORD),
            lambda: generate_password_hash(PASSWORD, "scrypt:65536:8:1"),
            lambda: generate_password_hash(PASSWORD, "pbkdf2"),
            lambda: generate_password_hash(PASSWORD, "pbkdf2:sha512:1000"),
        ],
        ids=["argon2-cffi", "werkzeug", "scrypt of 64 MiB", "werkzeug's pbkdf2", "werkzeug's pbkdf2 with sha512"],
    )
    def test_what_libraries_make_without_being_asked_is_within_bounds(self, make):
        assert read_imported(make()) is not None

    @each(
        "make",
        [
            lambda: Argon2Library(time_cost=1, memory_cost=64).hash(PASSWORD),
            lambda: generate_password_hash(PASSWORD, "scrypt:1024:8:1"),
            lambda: generate_password_hash(PASSWORD, "pbkdf2:sha256:100"),
            lambda: generate_password_hash(PASSWORD, "pbkdf2:sha512:100"),
        ],
        ids=["argon2-cffi", "werkzeug's scrypt", "werkzeug's pbkdf2", "werkzeug's pbkdf2 with sha512"],
    )
    def test_what_libraries_make_fits_its_password(self, hasher, make):
        """Cheaper than they would make it: that their own costs are within bounds stands above."""
        assert hasher.verify(PASSWORD, make())

    @each("made", ["pbkdf2_sha256$1500000", "pbkdf2_sha1$1500000"])
    def test_the_iterations_of_present_django_are_within_bounds(self, made):
        digest = hashlib.new(made.split("$")[0].partition("_")[2]).digest()
        assert read_imported(f"{made}$seasalt2${base64.b64encode(digest).decode()}") is not None


class TestPasswords:
    def test_behind_72_bytes_a_bare_bcrypt_hash_cannot_tell_and_its_successor_can(self, hasher):
        first, second = "x" * 72 + "y" * 28, "x" * 72 + "z" * 28
        stored = bare_bcrypt(password=first)
        assert hasher.verify(first, stored)
        assert hasher.verify(second, stored)
        renewed = hasher.rehashed(first, stored)
        assert hasher.verify(first, renewed)
        assert not hasher.verify(second, renewed)

    @each("make", [argon2, lambda password: django("sha256", password)])
    def test_behind_72_bytes_the_others_can_tell(self, hasher, make):
        stored = make(password="x" * 72 + "y" * 28)
        assert hasher.verify("x" * 72 + "y" * 28, stored)
        assert not hasher.verify("x" * 72 + "z" * 28, stored)

    def test_a_character_that_stands_across_the_72nd_byte_is_cut_as_those_libraries_cut_it(self, hasher):
        password = "x" * 71 + "\u00e9"
        assert hasher.verify(password, bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode())

    @each("make", [argon2, bare_bcrypt, lambda password: django("sha256", password)])
    def test_nul_ends_nothing(self, hasher, make):
        stored = make(password="ab\x00cd")
        assert hasher.verify("ab\x00cd", stored)
        for wrong in ("ab", "ab\x00", "ab\x00XX"):
            assert not hasher.verify(wrong, stored)

    def test_what_was_typed_is_compared_as_it_was_typed_and_normalised_from_then_on(self, hasher):
        """Those systems did not normalise: the decomposed letter was another password there."""
        composed, decomposed = "caf\u00e9", "cafe\u0301"
        stored = django("sha256", composed)
        assert hasher.verify(composed, stored)
        assert not hasher.verify(decomposed, stored)
        assert hasher.verify(decomposed, hasher.rehashed(composed, stored))

    @each("stored", IMPORTED.values(), ids=IMPORTED)
    def test_half_a_character_is_a_wrong_password_and_no_accident(self, hasher, stored):
        assert not hasher.verify("\ud800", stored)


TOO_MUCH = [
    "$2b$15$" + "." * 53,
    "$2b$31$" + "." * 53,
    "$argon2id$v=19$m=131073,t=1,p=1$c29tZXNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=131072,t=5,p=1$c29tZXNhbHQ$" + "A" * 43,
    "$argon2i$v=19$m=8,t=99999,p=1$c29tZXNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=131072,t=1,p=17$c29tZXNhbHQ$" + "A" * 43,
    "pbkdf2_sha256$2000001$s$" + "A" * 43 + "=",
    "pbkdf2_sha256$99999999$s$" + "A" * 43 + "=",
    "pbkdf2:sha512:1000001$s$" + "a" * 128,
    "scrypt:131072:8:1$s$" + "a" * 128,
    "scrypt:1024:64:64$s$" + "a" * 128,
    "scrypt:65536:8:3$s$" + "a" * 128,
    "hmac-sha256$00000000$argon2id$v=19$m=131073,t=1,p=1$c29tZXNhbHQ$" + "A" * 43,
]
DAMAGED = [
    "",
    "x",
    "$$$$",
    "plain",
    PASSWORD,
    "md5$salt$d41d8cd98f00b204e9800998ecf8427e",
    IMPORTED["bcrypt 2b"] + "x",
    IMPORTED["bcrypt 2b"][:-1],
    IMPORTED["bcrypt 2b"] + "\n",
    IMPORTED["bcrypt 2b"].replace("$2b$", "$2x$"),
    IMPORTED["bcrypt 2b"].replace("$04$", "$03$"),
    IMPORTED["bcrypt 2b"][:28] + "x" + IMPORTED["bcrypt 2b"][29:],
    IMPORTED["argon2id"].replace("argon2id", "argon2d"),
    IMPORTED["argon2id"].replace("v=19", "v=18"),
    IMPORTED["argon2id"].replace("m=64", "m=7"),
    IMPORTED["argon2id"].replace("m=64", "m=064"),
    IMPORTED["argon2id"].replace("t=1", "t=0"),
    IMPORTED["argon2id"][:-1],
    IMPORTED["argon2id"] + "=",
    IMPORTED["argon2id"].rpartition("$")[0] + "$AAAA",
    IMPORTED["django sha256"].rpartition("$")[0] + "$",
    IMPORTED["django sha256"].replace("$7$", "$0$"),
    IMPORTED["django sha256"].replace("$7$", "$\u0667$"),
    IMPORTED["django sha256"].replace("sha256", "md5"),
    IMPORTED["django sha1"].replace("sha1", "sha256"),
    IMPORTED["werkzeug pbkdf2 sha512"][:-64],
    IMPORTED["werkzeug pbkdf2 sha256"].replace(":9$", "$"),
    IMPORTED["werkzeug scrypt"].replace(":16:", ":15:"),
    IMPORTED["werkzeug scrypt"].replace(":16:", ":1:"),
    "scrypt:65536:1:1$s$" + "a" * 128,
    IMPORTED["werkzeug scrypt"][:-2],
]


class TestBounds:
    @each("stored", TOO_MUCH, ids=range(len(TOO_MUCH)))
    def test_a_hostile_row_that_asks_for_hours_or_gigabytes_is_no_hash(self, hasher, stored, bcrypt_work):
        bcrypt_work.clear()
        began = time.thread_time()
        assert not hasher.verify(PASSWORD, stored)
        assert time.thread_time() - began < 0.2
        assert bcrypt_work == [4]

    @each("stored", DAMAGED, ids=range(len(DAMAGED)))
    def test_a_damaged_row_fits_nothing_and_takes_the_time_of_an_unknown_name(self, hasher, stored, bcrypt_work):
        bcrypt_work.clear()
        assert not hasher.verify(PASSWORD, stored)
        assert bcrypt_work == [4]
        assert hasher.needs_rehash(stored)

    def test_a_digest_that_lost_its_end_fits_nothing_although_pbkdf2_would_begin_alike(self, hasher):
        whole = IMPORTED["werkzeug pbkdf2 sha512"]
        assert hasher.verify(PASSWORD, whole)
        for kept in (0, 1, 32, 64, 127):
            assert not hasher.verify(PASSWORD, whole[: len(whole) - 128 + kept])

    @each(("name", "sign"), [("django sha256", -2), ("django sha1", -2), ("argon2id", -1)])
    def test_a_digest_is_written_in_one_way_only(self, hasher, name, sign):
        """The last sign of base64 holds bits that mean nothing; a library would take any, or none, and each in its own time."""
        whole = IMPORTED[name]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        neighbour = alphabet[alphabet.index(whole[sign]) + 1]
        changed = whole[:sign] + neighbour + whole[len(whole) + sign + 1 :]
        assert len(changed) == len(whole)
        assert hasher.verify(PASSWORD, whole)
        assert not hasher.verify(PASSWORD, changed)

    @given(st.text(max_size=300))
    def test_a_fuzzer_with_any_row_never_gets_in_and_breaks_nothing(self, make_settings, stored):
        hasher = PasswordHasher(make_settings(password_pepper=PEPPER), BOX)
        assert hasher.verify(PASSWORD, stored) is False
        assert hasher.needs_rehash(stored)

    @given(
        st.sampled_from([*IMPORTED.values()]),
        st.integers(min_value=0, max_value=200),
        st.sampled_from([*"$:=,./+ \n\x00\u00e9\ud800", *"0aZ", "", "$$", "-1"]),
    )
    def test_a_fuzzer_who_changes_one_sign_never_gets_in_and_breaks_nothing(self, make_settings, stored, place, sign):
        place %= len(stored)
        changed = stored[:place] + sign + stored[place + 1 :]
        # `$2a$`, `$2b$` and `$2y$` are three names of one thing.
        assume(changed[3:] != stored[3:])
        assert PasswordHasher(make_settings(password_pepper=PEPPER), BOX).verify(PASSWORD, changed) is False

    @given(
        numbers=st.lists(
            st.sampled_from(["", "0", "1", "4", "8", "04", "16", "64", "-1", "1e3", "9999999", "9" * 30, "\u0664"]), min_size=3
        ),
        salt=st.text("abcAB01./+=$", max_size=30),
        digest=st.sampled_from(["", "A", "A" * 22, "A" * 43, "A" * 43 + "=", "a" * 64, "a" * 128, "." * 53, "\u00e9" * 43]),
        own=st.booleans(),
    )
    @settings(max_examples=40)
    def test_a_fuzzer_with_any_numbers_never_gets_in_and_breaks_nothing(self, make_settings, numbers, salt, digest, own):
        hasher = PasswordHasher(make_settings(password_pepper=PEPPER), BOX)
        one, two, three, *_ = numbers
        rows = [
            f"$2b${one}${salt}{digest}",
            f"$argon2id$v=19$m={one},t={two},p={three}${salt}${digest}",
            f"$argon2i$m={one},t={two},p={three}${salt}${digest}",
            f"pbkdf2_sha256${one}${salt}${digest}",
            f"pbkdf2:sha512:{one}${salt}${digest}",
            f"scrypt:{one}:{two}:{three}${salt}${digest}",
        ]
        prefix = "$".join(hasher.hash("x").split("$")[:2]) if own else ""
        assert [hasher.verify(PASSWORD, prefix + row) for row in rows] == [False] * len(rows)


class TestTime:
    """Somebody with a stop-watch must not learn which accounts came from elsewhere."""

    @each("name", [name for name in IMPORTED if not name.startswith("bcrypt")])
    def test_for_a_hash_of_another_scheme_one_of_ours_is_made_besides(self, hasher, bcrypt_work, name):
        bcrypt_work.clear()
        for password in (PASSWORD, "wrong"):
            hasher.verify(password, IMPORTED[name])
        assert bcrypt_work == [4, 4]

    @each("rounds", [4, 5, 7])
    def test_a_cheaper_bare_bcrypt_hash_takes_the_work_of_ours(self, hasher_with, bcrypt_work, rounds):
        bcrypt_work.clear()
        assert hasher_with(bcrypt_rounds=rounds).verify(PASSWORD, IMPORTED["bcrypt 2a"])
        assert sum(2**cost for cost in bcrypt_work) == 2**rounds

    def test_a_dearer_one_takes_its_own_and_no_more(self, hasher, bcrypt_work):
        assert hasher.verify(PASSWORD, bare_bcrypt(cost=6))
        assert bcrypt_work == [6]
