"""Hashes that other systems made, for people who came with their table of users. They are never made here, only looked at.

Each notation is read strictly, and within bounds: a damaged or hostile row must not cost more than a few hashes of our own, neither in
time nor in memory. What is beyond them is no hash.

There is no pepper in them, and their passwords are taken as they are typed: none of those systems normalised them.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from secureapi.security.passwords.schemes import Hashed, read_argon2, read_bcrypt

_MOST_BCRYPT_COST = 14
"""Four times the work of the default."""
_MOST_ITERATIONS = {"sha1": 2_000_000, "sha256": 2_000_000, "sha512": 1_000_000}
"""Django 6.1 makes 1,500,000, Werkzeug 3.1 one million whatever the digest; SHA-512 takes twice the time of the others."""
_MOST_SCRYPT_WORK = 2**20
"""N·r·p. Werkzeug's is a quarter of it."""
_MOST_SCRYPT_BLOCKS = 2**19
"""N·r, of 128 bytes each: 64 MiB. Werkzeug's is half of it."""
_SCRYPT_BYTES = 64

_DJANGO = re.compile(r"pbkdf2_(sha1|sha256)\$([1-9][0-9]{0,6})\$([^$\s]{1,128})\$([A-Za-z0-9+/]{27,43}=)")
_WERKZEUG_PBKDF2 = re.compile(r"pbkdf2:(sha256|sha512):([1-9][0-9]{0,6})\$([^$\s]{1,128})\$([0-9a-f]{64}|[0-9a-f]{128})")
_WERKZEUG_SCRYPT = re.compile(r"scrypt:([1-9][0-9]{0,6}):([1-9][0-9]?):([1-9][0-9]?)\$([^$\s]{1,128})\$([0-9a-f]{128})")


@dataclass(frozen=True, slots=True)
class Pbkdf2String:
    """PBKDF2 with HMAC (RFC 8018)."""

    digest_name: str
    iterations: int
    salt: bytes
    digest: bytes

    def fits(self, secret: bytes) -> bool:
        # Always as long as the function's own digest: one that lost its end would begin alike, and be guessed the sooner.
        made = hashlib.pbkdf2_hmac(self.digest_name, secret, self.salt, self.iterations)
        return hmac.compare_digest(made, self.digest) and _is_told_apart(secret)


@dataclass(frozen=True, slots=True)
class ScryptString:
    """scrypt (RFC 7914)."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @property
    def memory(self) -> int:
        """What OpenSSL asks to be allowed, in bytes."""
        return 128 * self.r * (self.n + self.p + 2)

    def fits(self, secret: bytes) -> bool:
        made = hashlib.scrypt(secret, salt=self.salt, n=self.n, r=self.r, p=self.p, maxmem=self.memory, dklen=_SCRYPT_BYTES)
        return hmac.compare_digest(made, self.digest) and _is_told_apart(secret)


def read_imported(stored: str) -> Hashed | None:
    """bcrypt, Argon2, Django's PBKDF2, Werkzeug's PBKDF2 and scrypt; None for anything else, and for what costs too much."""
    if not stored.isprintable():
        return None
    return (
        read_bcrypt(stored, most_cost=_MOST_BCRYPT_COST)
        or read_argon2(stored)
        or _read_django(stored)
        or _read_werkzeug_pbkdf2(stored)
        or _read_werkzeug_scrypt(stored)
    )


def _read_django(stored: str) -> Pbkdf2String | None:
    """`pbkdf2_sha256$<iterations>$<salt>$<digest in base64>`."""
    found = _DJANGO.fullmatch(stored)
    if not found:
        return None
    try:
        digest = base64.b64decode(found[4], validate=True)
    except binascii.Error:
        return None
    is_canonical = base64.b64encode(digest).decode() == found[4]
    return _bounded_pbkdf2(found[1], int(found[2]), found[3], digest) if is_canonical else None


def _read_werkzeug_pbkdf2(stored: str) -> Pbkdf2String | None:
    """`pbkdf2:sha256:<iterations>$<salt>$<digest in hexadecimal digits>`."""
    found = _WERKZEUG_PBKDF2.fullmatch(stored)
    return _bounded_pbkdf2(found[1], int(found[2]), found[3], bytes.fromhex(found[4])) if found else None


def _bounded_pbkdf2(digest_name: str, iterations: int, salt: str, digest: bytes) -> Pbkdf2String | None:
    is_bounded = iterations <= _MOST_ITERATIONS[digest_name]
    return Pbkdf2String(digest_name, iterations, salt.encode(), digest) if is_bounded else None


def _read_werkzeug_scrypt(stored: str) -> ScryptString | None:
    """`scrypt:<N>:<r>:<p>$<salt>$<digest in hexadecimal digits>`."""
    found = _WERKZEUG_SCRYPT.fullmatch(stored)
    if not found:
        return None
    read = ScryptString(int(found[1]), int(found[2]), int(found[3]), found[4].encode(), bytes.fromhex(found[5]))
    # RFC 7914, section 2: N is a power of two, beyond one, and below 2^(128·r/8).
    is_valid = 1 < read.n < 2 ** (16 * read.r) and read.n.bit_count() == 1
    is_bounded = read.n * read.r * read.p <= _MOST_SCRYPT_WORK and read.n * read.r <= _MOST_SCRYPT_BLOCKS
    return read if is_valid and is_bounded else None


def _is_told_apart(secret: bytes) -> bool:
    """Whether HMAC takes it for no other: it fills a short key up with NUL, so that one more at the end makes no difference (RFC 2104)."""
    return not secret.endswith(b"\x00")
