"""What an API key looks like, and what is kept of it. Who may use one, and for what, is not known here.

    sa_live_  32 characters of base62, at random (190 bits)  6 characters of checksum

The checksum is the CRC-32 of everything before it, in base62 with leading zeros. It protects nothing: it lets a scanner for leaked
secrets tell a key from something that only looks like one without asking us (docs/api-keys.md), and it lets us refuse what somebody
made up, or cut off while copying, without a query.
"""

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

from secureapi.core.secret_values import SecretBox

PREFIX = "sa_live_"
"""Tells people, proxies and scanners what they have found. Exactly so: another spelling is no key."""
HINT_LENGTH = 8
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 32
_CHECKSUM_LENGTH = 6
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")
_PURPOSE = "api-key"


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value that was just made. Only its owner is told it, once."""

    text: str = field(repr=False)
    hint: str
    hash: bytes = field(repr=False)


class ApiKeyValues:
    """Makes values and recognises them. Values are random, so that a fast hash will do; it is keyed, so that a stolen table is no use."""

    def __init__(self, secret_box: SecretBox) -> None:
        self._secret_box = secret_box

    def new(self) -> NewValue:
        """A value that there was never before."""
        body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
        text = body + checksum(body)
        return NewValue(text, hint_of(text), self.hash(text))

    def hash(self, text: str) -> bytes:
        """What is kept of a well-formed value."""
        return self._secret_box.tag(_PURPOSE, text.encode("ascii"))


def is_well_formed(text: str) -> bool:
    """Whether a text has the shape of a key, to the letter, and the checksum of one."""
    return _SHAPE.fullmatch(text) is not None and checksum(text[:-_CHECKSUM_LENGTH]) == text[-_CHECKSUM_LENGTH:]


def hint_of(text: str) -> str:
    """What a well-formed value is found by."""
    return text[len(PREFIX) : len(PREFIX) + HINT_LENGTH]


def checksum(body: str) -> str:
    """Six characters that follow from the others."""
    number, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
