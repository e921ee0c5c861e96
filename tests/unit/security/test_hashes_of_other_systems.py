"""Hashes that need rewriting before they can be read: Keycloak's, Firebase's, and Django's bcrypt over SHA-256."""

import base64
import hashlib

import bcrypt
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from secureapi.security.passwords.imported import firebase_string, pbkdf2_string, read_imported
from secureapi.security.passwords.schemes import BcryptString
from support.each import each

PASSWORD = b"l\xc3\xa8tmein, Summer 2026!"


def b64(text):
    return base64.b64decode(text)


def firebase(password=PASSWORD, *, log_n=4, r=1, salt=b"0123456789\x07", signer_key=bytes(range(64))):
    key = hashlib.scrypt(password, salt=salt, n=2**log_n, r=r, p=1, dklen=64)[:32]
    digest = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(signer_key)
    return firebase_string(log_n=log_n, r=r, salt=salt, digest=digest, signer_key=signer_key)


def test_the_example_of_firebase_fits():
    # From the README of Firebase's scrypt.
    stored = firebase_string(
        log_n=14,
        r=8,
        salt=b64("42xEC+ixf3L2lw==") + b64("Bw=="),
        digest=b64("lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="),
        signer_key=b64("jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="),
    )

    assert len(stored) <= 255
    assert read_imported(stored).fits(b"user1password")
    assert not read_imported(stored).fits(b"user2password")


def test_the_signer_key_is_not_in_what_is_stored():
    stored = firebase(signer_key=b"S" * 64)

    assert base64.b64encode(b"S" * 48).decode() not in stored
    assert stored == firebase(signer_key=b"T" * 64)
    assert read_imported(stored).fits(PASSWORD)


@each("name", ["sha1", "sha256", "sha512"])
def test_the_first_block_of_keycloaks_pbkdf2_is_enough(name):
    digest = hashlib.pbkdf2_hmac(name, PASSWORD, b"\x00\xff salt salt!", 3, 64)

    found = read_imported(pbkdf2_string(name, iterations=3, salt=b"\x00\xff salt salt!", digest=digest))

    assert found.fits(PASSWORD)
    assert not found.fits(PASSWORD + b"x")
    assert not found.fits(PASSWORD + b"\x00")


def test_all_of_a_long_password_counts_in_djangos_bcrypt_over_sha256():
    password = b"a" * 80
    stored = "bcrypt_sha256$" + bcrypt.hashpw(hashlib.sha256(password).hexdigest().encode(), bcrypt.gensalt(4)).decode()

    found = read_imported(stored)

    assert isinstance(found, BcryptString), "so that the work it is short of ours is made up for"
    assert found.fits(password)
    assert not found.fits(password + b"a")
    assert not found.fits(b"a" * 79)


@each(
    "stored",
    [
        "bcrypt_sha256$",
        "bcrypt_sha256$" + "$2b$31$" + "." * 53,
        "bcrypt_sha256$bcrypt_sha256$" + "$2b$04$" + "." * 53,
        pbkdf2_string("sha256", iterations=3, salt=b"salt", digest=b"d" * 31),
        pbkdf2_string("sha256", iterations=2_000_001, salt=b"salt", digest=b"d" * 32),
        pbkdf2_string("sha512", iterations=1_000_001, salt=b"salt", digest=b"d" * 64),
        pbkdf2_string("sha256", iterations=0, salt=b"salt", digest=b"d" * 32),
        pbkdf2_string("sha256", iterations=-1, salt=b"salt", digest=b"d" * 32),
        pbkdf2_string("md5", iterations=3, salt=b"salt", digest=b"d" * 32),
        pbkdf2_string("sha256", iterations=3, salt=b"", digest=b"d" * 32),
        firebase_string(log_n=30, r=8, salt=b"salt", digest=b"d" * 64, signer_key=b"s" * 64),
        firebase_string(log_n=14, r=99, salt=b"salt", digest=b"d" * 64, signer_key=b"s" * 64),
        firebase_string(log_n=14, r=0, salt=b"salt", digest=b"d" * 64, signer_key=b"s" * 64),
        firebase_string(log_n=14, r=8, salt=b"", digest=b"d" * 64, signer_key=b"s" * 64),
        firebase_string(log_n=14, r=8, salt=b"salt", digest=b"d" * 63, signer_key=b"s" * 63),
        firebase_string(log_n=14, r=8, salt=b"salt", digest=b"d" * 64, signer_key=b"s" * 64)[:-1] + "/",
        firebase() + "=",
        firebase().upper(),
    ],
)
def test_what_is_damaged_or_too_dear_is_no_hash(stored):
    assert read_imported(stored) is None


def test_a_digest_and_a_signer_key_of_different_lengths_are_no_pair():
    with pytest.raises(ValueError, match="argument"):
        firebase_string(log_n=14, r=8, salt=b"salt", digest=b"d" * 64, signer_key=b"s" * 32)
