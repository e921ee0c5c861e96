"""Passwords: hashing with a pepper behind a gate, and the policy for new ones.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import bcrypt

from secureapi.core.errors import Fault
from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import HashingBusy, WeakPassword
from secureapi.settings import Settings

MOST_CHARACTERS = 128
_LEAST_CHARACTERS = 8
_LONG_ENOUGH = 16
"""From this length on, length and variety decide instead of classes of characters (NIST SP 800-63B-4 section 3.1.1.2)."""
_LEAST_VARIETY = 6
_TRIED_FIRST = 3_000
"""So many of the most used words are refused with digits and signs around them too: `Password123!`, `Welcome2026!`."""
_SIGNS = "!@#$%^&*()-_=+.,?~ "
_DIGITS = "0123456789"
_STRONG = 3
"""zxcvbn's "safely unguessable": more than 10^8 guesses."""
_LONG_ANYWAY = 64
"""From here on nobody guesses; zxcvbn refuses more than 72 in any case."""
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


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What a new password must be. All failed rules are named at once, none of them with the password in it."""

    app_name: str

    def check(self, password: str, *, personal: tuple[str, ...] = ()) -> None:
        """Raise `WeakPassword` with a fault for each rule that fails. `personal` are words a guesser tries first."""
        normalised = unicodedata.normalize("NFKC", password)
        faults = [Fault("/password", rule.code, rule.sentence) for rule in _RULES if not rule.holds(normalised)]
        words = tuple(word.casefold() for word in (*personal, self.app_name) if word)
        if _is_long(normalised) and not _is_monotonous(normalised) and not _is_strong(normalised, words):
            faults.append(Fault("/password", "guessable", "It is long, but easy to guess."))
        if _is_guessable(normalised, words):
            faults.append(Fault("/password", "personal", "It must not be built from your name, your address or the name of this service."))
        if faults:
            raise WeakPassword(faults=faults)


@dataclass(frozen=True, slots=True)
class _Rule:
    code: str
    sentence: str
    holds: Callable[[str], bool]


def _is_long(password: str) -> bool:
    return len(password) >= _LONG_ENOUGH


_RULES = (
    _Rule("too_short", f"It must have at least {_LEAST_CHARACTERS} characters.", lambda p: len(p) >= _LEAST_CHARACTERS),
    _Rule("too_long", f"It must have at most {MOST_CHARACTERS} characters.", lambda p: len(p) <= MOST_CHARACTERS),
    _Rule("no_upper", "It needs an upper-case letter, or 16 characters.", lambda p: _is_long(p) or any(c.isupper() for c in p)),
    _Rule("no_lower", "It needs a lower-case letter, or 16 characters.", lambda p: _is_long(p) or any(c.islower() for c in p)),
    _Rule("no_digit", "It needs a digit, or 16 characters.", lambda p: _is_long(p) or any(c.isdigit() for c in p)),
    _Rule("no_special", "It needs a special character, or 16 characters.", lambda p: _is_long(p) or any(not c.isalnum() for c in p)),
    _Rule("monotonous", f"It needs at least {_LEAST_VARIETY} different characters.", lambda p: not _is_monotonous(p)),
    _Rule("common", "It is on the list of the passwords that are tried first.", lambda p: not _is_common(p)),
)


def _is_monotonous(password: str) -> bool:
    return len(set(password)) < min(_LEAST_VARIETY, len(password))


def _is_common(password: str) -> bool:
    """Whether the password is among the 30,000 most used, or among the very first of them under a dressing of digits and signs."""
    folded = password.casefold()
    undressed = {folded.strip(_SIGNS), folded.strip(_SIGNS + _DIGITS)}
    return folded in _common_passwords() or not undressed.isdisjoint(_common_passwords(most=_TRIED_FIRST))


@lru_cache(maxsize=2)
def _common_passwords(*, most: int | None = None) -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 20 ms that only those who choose a password need to spend

    return frozenset(FREQUENCY_LISTS["passwords"][:most])


def _is_strong(password: str, words: tuple[str, ...]) -> bool:
    """Whether a long password is hard to guess: no row of keys, no word with a tail of digits, no word said twice.

    `words` are tried first by whoever guesses.
    """
    if len(password) >= _LONG_ANYWAY:
        return True
    from zxcvbn import zxcvbn  # noqa: PLC0415 - likewise

    score: int = zxcvbn(password, user_inputs=list(words))["score"]
    return score >= _STRONG


def _is_guessable(password: str, words: tuple[str, ...]) -> bool:
    """Whether a personal word, forwards or backwards, makes up most of the password."""
    folded = password.casefold()
    return any(
        len(word) > 3 and (word in folded or word[::-1] in folded) and len(folded) < len(word) + 6  # noqa: PLR2004
        for word in (w.casefold() for w in words)
    )
