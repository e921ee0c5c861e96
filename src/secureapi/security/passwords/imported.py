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

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from secureapi.security.passwords.schemes import BcryptString, Hashed, read_argon2, read_bcrypt

_MOST_BCRYPT_COST = 14
"""Four times the work of the default."""
_MOST_ITERATIONS = {"sha1": 2_000_000, "sha256": 2_000_000, "sha512": 1_000_000}
"""Django 6.1 makes 1,500,000, Werkzeug 3.1 one million whatever the digest; SHA-512 takes twice the time of the others."""
_MOST_SCRYPT_WORK = 2**20
"""N·r·p. Werkzeug's is a quarter of it."""
_MOST_SCRYPT_BLOCKS = 2**19
"""N·r, of 128 bytes each: 64 MiB. Werkzeug's is half of it."""
_SCRYPT_BYTES = 64
_AES_KEY_BYTES = 32
_AES_BLOCK_BYTES = 16
_SIGNER_KEY_BYTES = 64
_BCRYPT_SHA256 = "bcrypt_sha256$"

_DJANGO = re.compile(r"pbkdf2_(sha1|sha256)\$([1-9][0-9]{0,6})\$([^$\s]{1,128})\$([A-Za-z0-9+/]{27,43}=)")
_WERKZEUG_PBKDF2 = re.compile(r"pbkdf2:(sha256|sha512):([1-9][0-9]{0,6})\$([^$\s]{1,128})\$([0-9a-f]{64}|[0-9a-f]{128})")
_WERKZEUG_SCRYPT = re.compile(r"scrypt:([1-9][0-9]{0,6}):([1-9][0-9]?):([1-9][0-9]?)\$([^$\s]{1,128})\$([0-9a-f]{128})")
_PHC_PBKDF2 = re.compile(r"\$pbkdf2-(sha1|sha256|sha512)\$i=([1-9][0-9]{0,6})\$([A-Za-z0-9+/]{6,86})\$([A-Za-z0-9+/]{27,86})")
_FIREBASE = re.compile(r"\$firebase-scrypt\$ln=([1-9][0-9]?),r=([1-9][0-9]?)\$([A-Za-z0-9+/]{2,64})\$([A-Za-z0-9+/]{86})")


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


@dataclass(frozen=True, slots=True)
class BcryptSha256String(BcryptString):
    """Django's bcrypt over the hexadecimal digits of SHA-256, so that all of a long password counts."""

    def fits(self, secret: bytes) -> bool:
        return BcryptString.fits(self, hashlib.sha256(secret).hexdigest().encode())


@dataclass(frozen=True, slots=True)
class FirebaseString:
    """Firebase's scrypt: the derived key encrypts the project's signer key (AES-256-CTR), and the outcome is the hash.

    Counter mode only adds its key stream to the signer key. What is kept here is that key stream: whoever has the exported hash and the
    signer key has it by taking one from the other, and from then on the signer key is not needed any more.
    """

    log_n: int
    r: int
    salt: bytes
    """Salt of the account and salt separator of the project, one after the other."""
    key_stream: bytes

    def fits(self, secret: bytes) -> bool:
        n = 2**self.log_n
        key = hashlib.scrypt(secret, salt=self.salt, n=n, r=self.r, p=1, maxmem=128 * self.r * (n + 3), dklen=_AES_KEY_BYTES)
        encrypt = Cipher(algorithms.AES(key), modes.CTR(bytes(_AES_BLOCK_BYTES))).encryptor()
        return hmac.compare_digest(encrypt.update(bytes(_SIGNER_KEY_BYTES)), self.key_stream) and _is_told_apart(secret)


def pbkdf2_string(digest_name: str, *, iterations: int, salt: bytes, digest: bytes) -> str:
    """A digest of PBKDF2 whose salt is no text, in the notation that is read here: `$pbkdf2-sha256$i=<iterations>$<salt>$<digest>`.

    A digest may be longer than its function's own, as Keycloak's are: the blocks of PBKDF2 stand each by itself (RFC 8018, section 5.2),
    so that the first is enough, and costs its owner half as much.
    """
    first = digest[: hashlib.new(digest_name).digest_size]
    return f"$pbkdf2-{digest_name}$i={iterations}${_unpadded(salt)}${_unpadded(first)}"


def firebase_string(*, log_n: int, r: int, salt: bytes, digest: bytes, signer_key: bytes) -> str:
    """A hash that Firebase exported, in the notation that is read here. Raises `ValueError` where digest and signer key are no pair."""
    key_stream = bytes(one ^ other for one, other in zip(digest, signer_key, strict=True))
    return f"$firebase-scrypt$ln={log_n},r={r}${_unpadded(salt)}${_unpadded(key_stream)}"


def read_imported(stored: str) -> Hashed | None:
    """bcrypt, Argon2, PBKDF2 and scrypt as other systems write them; None for anything else, and for what costs too much."""
    if not stored.isprintable():
        return None
    return (
        read_bcrypt(stored, most_cost=_MOST_BCRYPT_COST)
        or read_argon2(stored)
        or _read_django(stored)
        or _read_werkzeug_pbkdf2(stored)
        or _read_werkzeug_scrypt(stored)
        or _read_bcrypt_sha256(stored)
        or _read_phc_pbkdf2(stored)
        or _read_firebase(stored)
    )


def _read_bcrypt_sha256(stored: str) -> BcryptSha256String | None:
    """`bcrypt_sha256$$2b$12$…`."""
    if not stored.startswith(_BCRYPT_SHA256):
        return None
    found = read_bcrypt(stored.removeprefix(_BCRYPT_SHA256), most_cost=_MOST_BCRYPT_COST)
    return BcryptSha256String(found.text, found.cost) if found else None


def _read_phc_pbkdf2(stored: str) -> Pbkdf2String | None:
    """`$pbkdf2-sha256$i=<iterations>$<salt>$<digest>`, both in base64 without padding."""
    found = _PHC_PBKDF2.fullmatch(stored)
    if not found:
        return None
    name, iterations, salt, digest = found[1], int(found[2]), _bytes(found[3]), _bytes(found[4])
    is_whole = bool(salt) and len(digest) == hashlib.new(name).digest_size
    return Pbkdf2String(name, iterations, salt, digest) if is_whole and iterations <= _MOST_ITERATIONS[name] else None


def _read_firebase(stored: str) -> FirebaseString | None:
    """`$firebase-scrypt$ln=<mem_cost>,r=<rounds>$<salts>$<key stream>`."""
    found = _FIREBASE.fullmatch(stored)
    if not found:
        return None
    read = FirebaseString(int(found[1]), int(found[2]), _bytes(found[3]), _bytes(found[4]))
    # The first as below: RFC 7914, section 2. OpenSSL would stumble over others with each sign-in.
    is_valid = 1 <= read.log_n < 16 * read.r
    is_bounded = is_valid and 2**read.log_n * read.r <= _MOST_SCRYPT_BLOCKS
    return read if is_bounded and read.salt and len(read.key_stream) == _SIGNER_KEY_BYTES else None


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


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """What `_unpadded` made a text of; nothing at all when it made none such."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return b""
    return data if _unpadded(data) == text else b""
