"""The two schemes that new hashes are made with, and strings in their notations: `$2b$12$…` and `$argon2id$v=19$m=…,t=…,p=…$…`.

A scheme knows what work one look at a present string is, so that it can do as much where there is none. Peppers are not known here.
"""

import base64
import binascii
import hmac
import os
import re
from dataclasses import dataclass
from typing import Protocol

import bcrypt

from secureapi.settings import Settings
from secureapi.settings.rules import MOST_ARGON2_WORK

_MOST_COST = 16
"""The most that `BCRYPT_ROUNDS` may be: who has lowered it must still find his people's hashes good."""
_BCRYPT_BYTES = 72
"""What bcrypt looks at. The libraries of old cut the rest off in silence, this one raises."""
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
"""The last sign of a salt carries two bits: with any other the library raises, sooner than it would have answered."""
_ARGON2 = re.compile(
    r"\$(argon2id?)(?:\$v=(16|19))?\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]{0,5}),p=([1-9][0-9]?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})"
)
"""Salts from 8 bytes on, as the library asks; digests from 16, for a shorter one a guesser would hit by chance."""
_MOST_ARGON2_MEMORY = 131_072
_MOST_ARGON2_LANES = 16
_FIRST_ARGON2_VERSION = 16
"""1.0, which did not write its version down."""
_ARGON2_VERSION = 19
_SALT_BYTES = 16
_DIGEST_BYTES = 32
_ANYTHING = b"What is hashed where nothing is compared: the work does not depend on it."[:_BCRYPT_BYTES]


class Hashed(Protocol):
    """A stored string that was understood. Its cost has been looked at: `fits` is bounded in time and in memory."""

    def fits(self, secret: bytes) -> bool:
        """Whether it was made of these bytes. Compares in constant time."""
        ...


class Scheme(Protocol):
    """How new hashes are made."""

    def make(self, secret: bytes) -> str:
        """A new string, with a salt of its own."""
        ...

    def is_present(self, found: Hashed | None) -> bool:
        """Whether a string is of this scheme and exactly of its present cost."""
        ...

    def make_up_for(self, found: Hashed | None) -> None:
        """Do the work that a look at `found` was short of a look at a string of this scheme: the whole of it for none at all."""
        ...


@dataclass(frozen=True, slots=True)
class BcryptString:
    """`$2a$`, `$2b$` or `$2y$`: three names of one thing, given by libraries as they mended faults of their own."""

    text: str
    cost: int

    def fits(self, secret: bytes) -> bool:
        return bcrypt.checkpw(secret[:_BCRYPT_BYTES], self.text.encode())


@dataclass(frozen=True, slots=True)
class Argon2String:
    """Argon2i or Argon2id (RFC 9106), of either version. Memory in KiB."""

    kind: str
    version: int
    memory: int
    time: int
    lanes: int
    salt: bytes
    digest: bytes

    @property
    def work(self) -> int:
        """Blocks of a KiB that are written."""
        return self.memory * self.time

    def fits(self, secret: bytes) -> bool:
        made = _argon2(
            secret,
            self.salt,
            memory=self.memory,
            time=self.time,
            lanes=self.lanes,
            length=len(self.digest),
            kind=self.kind,
            version=self.version,
        )
        return hmac.compare_digest(made, self.digest)


@dataclass(frozen=True, slots=True)
class Bcrypt:
    """bcrypt, the design card's. Each step of the cost doubles the work."""

    cost: int

    def make(self, secret: bytes) -> str:
        return bcrypt.hashpw(secret, bcrypt.gensalt(self.cost)).decode()

    def is_present(self, found: Hashed | None) -> bool:
        return isinstance(found, BcryptString) and found.text.startswith(f"$2b${self.cost:02d}$")

    def make_up_for(self, found: Hashed | None) -> None:
        if isinstance(found, BcryptString):
            # A hash of an older, lower cost comes back sooner than that of an unknown name. Each cost is the work of all those below.
            for cost in range(found.cost, self.cost):
                bcrypt.checkpw(_ANYTHING, nobody(cost))
        else:
            bcrypt.checkpw(_ANYTHING, nobody(self.cost))


@dataclass(frozen=True, slots=True)
class Argon2id:
    """Argon2id (RFC 9106): each guess needs memory, which is what those who build machines for guessing are short of."""

    memory: int
    time: int
    lanes: int

    def make(self, secret: bytes) -> str:
        salt = os.urandom(_SALT_BYTES)
        digest = self._digest(secret, salt, memory=self.memory)
        return f"$argon2id$v={_ARGON2_VERSION}$m={self.memory},t={self.time},p={self.lanes}${_base64(salt)}${_base64(digest)}"

    def is_present(self, found: Hashed | None) -> bool:
        return isinstance(found, Argon2String) and (
            ("argon2id", _ARGON2_VERSION, self.memory, self.time, self.lanes)
            == (found.kind, found.version, found.memory, found.time, found.lanes)
        )

    def make_up_for(self, found: Hashed | None) -> None:
        missing = self.memory * self.time - (found.work if isinstance(found, Argon2String) else 0)
        if missing > 0:
            self._digest(_ANYTHING, _ANYTHING[:_SALT_BYTES], memory=max(missing // self.time, 8 * self.lanes))

    def _digest(self, secret: bytes, salt: bytes, *, memory: int) -> bytes:
        return _argon2(secret, salt, memory=memory, time=self.time, lanes=self.lanes)


def scheme_named(name: str, settings: Settings) -> Scheme:
    """The scheme that a value of `PASSWORD_HASH` means, with the costs that are set for it."""
    if name == "argon2id":
        return Argon2id(settings.argon2_memory_kib, settings.argon2_time_cost, settings.argon2_parallelism)
    return Bcrypt(settings.bcrypt_rounds)


def read_own(text: str) -> Hashed | None:
    """A string that a scheme here can have made, at any cost that the settings allow; None for anything else."""
    if text.startswith("$2b$"):
        return read_bcrypt(text, most_cost=_MOST_COST)
    return read_argon2(text) if text.startswith(f"$argon2id$v={_ARGON2_VERSION}$") else None


def read_bcrypt(text: str, *, most_cost: int) -> BcryptString | None:
    """A bcrypt string, or None for a damaged one and for one that would take hours."""
    found = _BCRYPT.fullmatch(text)
    return BcryptString(text, int(found[1])) if found and int(found[1]) <= most_cost else None


def read_argon2(text: str) -> Argon2String | None:
    """An Argon2 string, or None for a damaged one and for one that asks for more memory or time than any of ours may."""
    found = _ARGON2.fullmatch(text)
    if not found:
        return None
    kind, version, memory, time, lanes, salt, digest = found.groups()
    read = Argon2String(kind, int(version or _FIRST_ARGON2_VERSION), int(memory), int(time), int(lanes), _bytes(salt), _bytes(digest))
    is_bounded = 8 * read.lanes <= read.memory <= _MOST_ARGON2_MEMORY and read.work <= MOST_ARGON2_WORK and read.lanes <= _MOST_ARGON2_LANES
    return read if is_bounded and read.salt and read.digest else None


def nobody(cost: int) -> bytes:
    """A well-formed bcrypt string that no password fits: no salt ever gave this digest."""
    return f"$2b${cost:02d}${'.' * 21}e{'.' * 30}e".encode()


def _argon2(
    secret: bytes,
    salt: bytes,
    *,
    memory: int,
    time: int,
    lanes: int,
    length: int = _DIGEST_BYTES,
    kind: str = "argon2id",
    version: int = _ARGON2_VERSION,
) -> bytes:
    from argon2.low_level import Type, hash_secret_raw  # noqa: PLC0415 - 30 ms that only those who have such hashes need to spend

    return hash_secret_raw(
        secret,
        salt,
        time_cost=time,
        memory_cost=memory,
        parallelism=lanes,
        hash_len=length,
        type=Type.ID if kind == "argon2id" else Type.I,
        version=version,
    )


def _base64(data: bytes) -> str:
    """Base64 without padding, as Argon2's strings have it."""
    return base64.b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """What `_base64` made a text of; nothing at all when it made none such."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return b""
    return data if _base64(data) == text else b""
