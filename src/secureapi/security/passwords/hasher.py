"""Hashing passwords with a pepper, behind a gate.

A password is normalised (NFKC), keyed with the pepper (HMAC-SHA256) and only then given to bcrypt, as base64. That lifts bcrypt's
limit of 72 bytes, makes NUL harmless, and makes a stolen table useless without the pepper.
"""

import base64
import hashlib
import hmac
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt

from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import HashingBusy
from secureapi.settings import Settings

_PREFIX = "hmac-sha256"
_BCRYPT = re.compile(r"2b\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}")
"""A bcrypt string without its first sign. A damaged one would make bcrypt raise, or take hours."""


class PasswordHasher:
    """Hashes and verifies. Stored strings read `hmac-sha256$<pepper id>$<bcrypt string>`.

    bcrypt releases the interpreter, so a storm of logins could take every core from everybody else; the gate lets only so many
    through at once and answers 503 to those who would wait too long.
    """

    def __init__(self, settings: Settings, secrets: SecretBox) -> None:
        pepper = settings.password_pepper.encode() or secrets.key("password-pepper")
        self._key = hashlib.sha256(b"secureapi/password/" + pepper).digest()
        self._pepper_id = hashlib.sha256(b"secureapi/pepper-id/" + self._key).hexdigest()[:8]
        self._cost = settings.bcrypt_rounds
        self._gate = threading.BoundedSemaphore(settings.password_hash_workers or os.cpu_count() or 1)
        self._patience = settings.password_hash_wait_seconds

    def hash(self, password: str) -> str:
        """The string to store. Raises `HashingBusy`."""
        with self._turn():
            hashed = bcrypt.hashpw(self._keyed(password), bcrypt.gensalt(self._cost))
        return f"{_PREFIX}${self._pepper_id}{hashed.decode()}"

    def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password is the one. Takes the same time for a wrong one and for no stored string at all.

        Hash even when nobody was found: otherwise the answer comes back sooner and a stranger learns which names have an account.
        """
        expected = self._bcrypt_part(stored) if stored else None
        keyed = self._keyed(password)
        with self._turn():
            is_right = bcrypt.checkpw(keyed, expected or _nobody(self._cost))
            # A hash of an older, lower cost comes back sooner than that of an unknown name. Each cost is the work of all those below.
            for cost in range(_cost_of(expected), self._cost):
                bcrypt.checkpw(keyed, _nobody(cost))
        return is_right and expected is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether a stored string is weaker than, or just other than, what `hash` would make now."""
        return not re.fullmatch(rf"{_PREFIX}\${self._pepper_id}\$2b\${self._cost:02d}\$[./A-Za-z0-9]{{53}}", stored)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._gate.acquire(timeout=self._patience):
            raise HashingBusy(retry_after=self._patience)
        try:
            yield
        finally:
            self._gate.release()

    def _keyed(self, password: str) -> bytes:
        normalised = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._key, normalised, "sha256"))

    def _bcrypt_part(self, stored: str) -> bytes | None:
        """The bcrypt string, or None when it was made with another pepper or is no string of ours."""
        scheme, _, rest = stored.partition("$")
        pepper_id, _, hashed = rest.partition("$")
        is_ours = scheme == _PREFIX and pepper_id == self._pepper_id and _BCRYPT.fullmatch(hashed)
        return f"${hashed}".encode() if is_ours else None


def _nobody(cost: int) -> bytes:
    """A well-formed bcrypt string that no password fits: no salt ever gave this digest."""
    return f"$2b${cost:02d}${'.' * 21}e{'.' * 30}e".encode()


def _cost_of(hashed: bytes | None) -> int:
    """The cost in a bcrypt string; for none at all one beyond any that is used."""
    return int(hashed[4:6]) if hashed else sys.maxsize
