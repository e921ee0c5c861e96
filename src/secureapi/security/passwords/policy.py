"""What a new password must be: three modes, and what every one of them refuses.

`balanced` asks for four classes of characters below sixteen characters and for strength above, `composition` is what the seeds say
to the letter, `nist` is SP 800-63B-4 section 3.1.1.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from secureapi.core.errors import Fault
from secureapi.security.errors import WeakPassword
from secureapi.security.passwords.breaches import BreachFiles
from secureapi.security.passwords.candidate import Candidate
from secureapi.security.passwords.denylist import Denylist
from secureapi.security.passwords.personal import is_made_of, words_in
from secureapi.security.passwords.strength import score_of
from secureapi.settings import Settings

MOST_CHARACTERS = 128
_LEAST_VARIETY = 6
_TRIED_FIRST = 3_000
"""So many of the most used words are refused with digits and signs around them too: `Password123!`, `Welcome2026!`."""
_STRONG, _STRONG_WITH_A_SECOND_FACTOR = 3, 2
"""Of zxcvbn's scores. Guesses at a sign-in are counted; with a second factor a guessed password alone opens nothing."""
_CLASSES = {
    "upper": ("no_upper", "an upper-case letter", str.isupper),
    "lower": ("no_lower", "a lower-case letter", str.islower),
    "digit": ("no_digit", "a digit", str.isdigit),
    "special": ("no_special", "a special character", lambda c: not c.isalnum()),
}


@dataclass(frozen=True, slots=True)
class Mode:
    """What tells one policy from another."""

    name: str
    least: int
    least_with_second_factor: int
    asks_for_classes: bool
    strength_from: int | None
    """The length from which strength decides, and no class is asked for. None: never."""


MODES = {
    mode.name: mode
    for mode in (
        Mode("balanced", least=8, least_with_second_factor=8, asks_for_classes=True, strength_from=16),
        Mode("composition", least=8, least_with_second_factor=8, asks_for_classes=True, strength_from=None),
        Mode("nist", least=15, least_with_second_factor=8, asks_for_classes=False, strength_from=0),
    )
}


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a form can tell somebody before he types."""

    mode: str
    least_characters: int
    most_characters: int
    character_classes: tuple[str, ...]
    classes_until: int | None
    """The length from which the classes are no longer asked for; None where there are none, or they always are."""
    least_different_characters: int | None
    remembered_passwords: int
    """So many former passwords may not be used again."""
    refuses: tuple[str, ...]
    """Codes of the rules that no form can check by itself."""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What a new password must be. All failed rules are named at once, none of them with the password in it."""

    app_name: str
    mode: Mode = MODES["balanced"]
    denylist: Denylist | None = None
    breaches: BreachFiles | None = None
    remembered: int = 0
    """How many former passwords are kept. Whether one comes back is not decided here: that takes the person's hashes."""

    @classmethod
    def of(cls, settings: Settings) -> "PasswordPolicy":
        """The policy that the settings ask for. Raises `SettingsRefused` when its lists cannot be read."""
        return cls(
            settings.app_name,
            MODES[settings.password_policy],
            Denylist(Path(settings.password_denylist_file)) if settings.password_denylist_file else None,
            BreachFiles(Path(settings.password_breach_dir)) if settings.password_breach_dir else None,
            settings.password_history,
        )

    def check(self, password: str, *, personal: tuple[str, ...] = (), has_second_factor: bool = False) -> None:
        """Raise `WeakPassword` with a fault for each rule that fails. `personal` are words a guesser tries first (`words_about`)."""
        faults = self.faults(password, personal=personal, has_second_factor=has_second_factor)
        if faults:
            raise WeakPassword(faults=faults)

    def faults(self, password: str, *, personal: tuple[str, ...] = (), has_second_factor: bool = False) -> list[Fault]:
        """A fault for each rule that fails, always in the same order."""
        candidate = Candidate.of(password)
        words = words_in((self.app_name, *personal))
        found = [*self._shape(candidate, has_second_factor=has_second_factor)]
        if candidate.length <= MOST_CHARACTERS:
            # Looking up what nobody may have anyway would only be work for whoever sends much of it.
            found += self._guesses(candidate, words, has_second_factor=has_second_factor)
        return [Fault("/password", code, sentence) for code, sentence in found]

    def requirements(self, *, has_second_factor: bool = False) -> Requirements:
        """What this policy asks for, for a form."""
        has_classes = self.mode.asks_for_classes
        refuses = {
            "common": True,
            "guessable": self.mode.strength_from is not None,
            "personal": True,
            "denied": self.denylist is not None,
            "breached": self.breaches is not None,
            "reused": self.remembered > 0,
        }
        return Requirements(
            mode=self.mode.name,
            least_characters=self._least(has_second_factor=has_second_factor),
            most_characters=MOST_CHARACTERS,
            character_classes=tuple(_CLASSES) if has_classes else (),
            classes_until=self.mode.strength_from if has_classes else None,
            least_different_characters=_LEAST_VARIETY if has_classes else None,
            remembered_passwords=self.remembered,
            refuses=tuple(code for code, is_refused in refuses.items() if is_refused),
        )

    def _least(self, *, has_second_factor: bool) -> int:
        return self.mode.least_with_second_factor if has_second_factor else self.mode.least

    def _shape(self, candidate: Candidate, *, has_second_factor: bool) -> Iterator[tuple[str, str]]:
        """Rules that a form can check too: length, classes, variety."""
        least = self._least(has_second_factor=has_second_factor)
        if candidate.length < least:
            yield "too_short", f"It must have at least {least} characters."
        if candidate.length > MOST_CHARACTERS:
            yield "too_long", f"It must have at most {MOST_CHARACTERS} characters."
        if not self.mode.asks_for_classes:
            return
        if not self._is_for_strength(candidate):
            instead = f", or {self.mode.strength_from} characters" if self.mode.strength_from else ""
            for code, name, is_of_class in _CLASSES.values():
                if not any(is_of_class(character) for character in candidate.normalised):
                    yield code, f"It needs {name}{instead}."
        if _is_monotonous(candidate):
            yield "monotonous", f"It needs at least {_LEAST_VARIETY} different characters."

    def _guesses(self, candidate: Candidate, words: tuple[str, ...], *, has_second_factor: bool) -> Iterator[tuple[str, str]]:
        """Rules about what is tried first by whoever guesses."""
        if _is_common(candidate):
            yield "common", "It is on the list of the passwords that are tried first."
        is_long_enough = candidate.length >= self._least(has_second_factor=has_second_factor)
        if is_long_enough and self._is_for_strength(candidate) and self._is_weak(candidate, words, has_second_factor=has_second_factor):
            yield "guessable", "It is long, but easy to guess."
        if is_made_of(candidate, words):
            yield "personal", "It must not be built from your name, your address or the name of this service."
        if self.denylist and self.denylist.holds(candidate):
            yield "denied", "It is on the list of words that this service does not accept."
        if self.breaches and self.breaches.holds(candidate):
            yield "breached", "It is known from a breach somewhere else. Whoever guesses tries it."

    def _is_for_strength(self, candidate: Candidate) -> bool:
        return self.mode.strength_from is not None and candidate.length >= self.mode.strength_from

    def _is_weak(self, candidate: Candidate, words: tuple[str, ...], *, has_second_factor: bool) -> bool:
        """Whether a row of keys, a word with a tail of digits, a word said twice, or one character again and again."""
        if _is_monotonous(candidate):
            # Where classes are asked for, that has a rule of its own.
            return not self.mode.asks_for_classes
        is_short = candidate.length < self.mode.least
        least = _STRONG_WITH_A_SECOND_FACTOR if has_second_factor and is_short else _STRONG
        # In each of its forms: one sign may be eighteen characters in the next, and `Passwordpassword` repeats nothing until it is folded.
        return min(score_of(text, words) for text in {candidate.typed, candidate.normalised, candidate.folded}) < least


def _is_monotonous(candidate: Candidate) -> bool:
    return candidate.variety < min(_LEAST_VARIETY, candidate.length)


def _is_common(candidate: Candidate) -> bool:
    """Whether the password is among the 30,000 most used, or among the very first of them under a dressing of digits and signs."""
    return candidate.folded in _common_passwords() or not candidate.undressed().isdisjoint(_common_passwords(most=_TRIED_FIRST))


@lru_cache(maxsize=2)
def _common_passwords(*, most: int | None = None) -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - 20 ms that only those who choose a password need to spend

    return frozenset(FREQUENCY_LISTS["passwords"][:most])
