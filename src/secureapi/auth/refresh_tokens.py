"""Refresh tokens: opaque, stored only as hashes, and able to prove that we made them.

A token is `sar_` and 64 characters of base64url: the session's id (16 bytes), a nonce (16) and a keyed tag over both (16). The tag
lets a replayed old token be told from a forged one without a row for every token ever issued: a session's id is no secret, and a
stranger who knows one must not be able to close the session with a made-up token.

The nonce of a successor follows from its predecessor by a keyed hash. So the very same successor can be given twice after a lost
answer, although nothing but its hash is kept.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from secureapi.auth.errors import RefreshRefused
from secureapi.core.secret_values import SecretBox

PREFIX = "sar_"
_TOKEN = re.compile(r"sar_[A-Za-z0-9_-]{64}")
_PART = 16
_SKEW = timedelta(seconds=2)
"""By how much the clocks of two hosts may differ."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A token that we made, whether or not it is still good."""

    session_id: str
    raw: bytes

    def __str__(self) -> str:
        return PREFIX + base64.urlsafe_b64encode(self.raw).decode()

    def __repr__(self) -> str:
        return f"<RefreshToken of {self.session_id}>"

    @property
    def hash(self) -> bytes:
        """What is stored: SHA-256. The token has 128 random bits, so a slow hash would protect nothing."""
        return hashlib.sha256(self.raw).digest()


def is_lost_answer(rotated_at: datetime | None, now: datetime, grace: timedelta) -> bool:
    """Whether a token that was just used may have been sent again because its answer got lost.

    On a host whose clock is behind, the rotation lies ahead; more than a little of that is not believed, or the grace would only be
    shifted by the difference.
    """
    return rotated_at is not None and -min(_SKEW, grace) <= now - rotated_at < grace


class RefreshTokens:
    """Makes and recognises them."""

    def __init__(self, secret_box: SecretBox) -> None:
        self._secrets = secret_box

    def first(self, session_id: str) -> RefreshToken:
        """The first of a new family."""
        return self._made(session_id, secrets.token_bytes(_PART))

    def successor(self, token: RefreshToken) -> RefreshToken:
        """The one that follows this one, always the same."""
        return self._made(token.session_id, self._secrets.tag("refresh-successor", token.raw)[:_PART])

    def read(self, text: str) -> RefreshToken:
        """A token as it came in. Raises `RefreshRefused` for anything that we did not make."""
        if not _TOKEN.fullmatch(text):
            raise RefreshRefused
        try:
            raw = base64.urlsafe_b64decode(text[len(PREFIX) :])
        except (binascii.Error, ValueError):
            raise RefreshRefused from None
        if not hmac.compare_digest(raw[2 * _PART :], self._tag(raw[: 2 * _PART])):
            raise RefreshRefused
        return RefreshToken(str(uuid.UUID(bytes=raw[:_PART])), raw)

    def _made(self, session_id: str, nonce: bytes) -> RefreshToken:
        signed = uuid.UUID(session_id).bytes + nonce
        return RefreshToken(session_id, signed + self._tag(signed))

    def _tag(self, signed: bytes) -> bytes:
        return self._secrets.tag("refresh-token", signed)[:_PART]
