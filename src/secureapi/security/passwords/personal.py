"""The words that a guesser tries first because they belong to the person or to the service."""

import re
from collections.abc import Iterable

from secureapi.security.passwords.candidate import Candidate, folded, read_as_letters

_BETWEEN_WORDS = re.compile(r"[\W_]+")
_LEAST_LETTERS = 4
"""Shorter words are in too many good passwords by chance."""
_LONGEST = 100
_MOST_WORDS = 40
_REST = 6
"""With so many characters besides the word, the rest is what a guesser has to find."""


def words_about(*, username: str | None = None, email: str | None = None, full_name: str | None = None) -> tuple[str, ...]:
    """What a guesser would try for this person: names as a whole and in their parts, the address, its local part and its domain."""
    local, _, domain = (email or "").partition("@")
    # Everybody's password may have `com` in it.
    labels = domain.rpartition(".")[0].split(".")
    return words_in((username, email, local, domain, *labels, full_name))


def words_in(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The texts, their parts, and the parts without what stood between them; folded, long enough, each once, and not too many."""
    found: dict[str, None] = {}
    for text in texts:
        whole = folded((text or "")[:_LONGEST]).strip()
        parts = [part for part in _BETWEEN_WORDS.split(whole) if part]
        found |= dict.fromkeys((whole, "".join(parts), *parts))
    return tuple(word for word in found if len(word) >= _LEAST_LETTERS)[:_MOST_WORDS]


def is_made_of(candidate: Candidate, words: Iterable[str]) -> bool:
    """Whether hardly anything is left without the words, which may be backwards, or written with signs for letters."""
    forms = sorted({form for word in words for form in _forms(word)}, key=len, reverse=True)
    covered = max(_covered(reading, forms) for reading in candidate.readings())
    return covered > 0 and len(candidate.folded) - covered < _REST


def _covered(reading: str, forms: Iterable[str]) -> int:
    """How many characters of a reading belong to one of the words."""
    rest = reading
    for form in forms:
        # Something stays in the place of a word: what stood around it makes no new one.
        rest = rest.replace(form, "\0")
    return len(reading) - len(rest.replace("\0", ""))


def _forms(word: str) -> frozenset[str]:
    # A word with a digit in it would not be found where the password is read as letters.
    forwards = {word, *read_as_letters(word)}
    return frozenset(forwards | {form[::-1] for form in forwards})
