"""What a new password must be."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from secureapi.core.errors import Fault
from secureapi.security.errors import WeakPassword

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
