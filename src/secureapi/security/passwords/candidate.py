"""A password as the rules look at it, and the forms of it that a guesser would see through."""

import unicodedata
from dataclasses import dataclass

_SIGNS = "!@#$%^&*()-_=+.,?~ "
_DIGITS = "0123456789"
_LEET = {"4": "a", "@": "a", "8": "b", "(": "c", "3": "e", "6": "g", "9": "g", "!": "i", "0": "o", "$": "s", "5": "s", "7": "t", "+": "t"}
_LEET_READINGS = tuple(str.maketrans(_LEET | {"1": one, "|": one}) for one in "il")
"""Letters behind the signs that people write for them. A 1 stands for an i as often as for an l."""


def folded(text: str) -> str:
    """NFKC, case-folded, and normalised again, since folding can undo normalisation (Unicode 3.13, toNFKC_Casefold)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True, slots=True)
class Candidate:
    """A password that somebody would like to have."""

    typed: str
    """Composed (NFC), so that é counts once however a keyboard made it. Lengths are counted here, in code points: one sign of
    compatibility, such as U+FDFA, becomes eighteen characters in NFKC, and was typed as one.
    """
    normalised: str
    """What is hashed (NFKC)."""
    folded: str

    @classmethod
    def of(cls, password: str) -> "Candidate":
        return cls(unicodedata.normalize("NFC", password), unicodedata.normalize("NFKC", password), folded(password))

    @property
    def length(self) -> int:
        return len(self.typed)

    @property
    def variety(self) -> int:
        """How many different characters it is made of."""
        return min(len(set(self.typed)), len(set(self.normalised)))

    def undressed(self) -> frozenset[str]:
        """Without the digits and signs at its ends, and with letters in place of the signs that stand for them."""
        bare = (self.folded.strip(_SIGNS), self.folded.strip(_SIGNS + _DIGITS))
        return frozenset(bare).union(*(read_as_letters(text) for text in bare)) - {""}

    def readings(self) -> frozenset[str]:
        """The whole of it as it is, with letters for the signs that stand for them, and without signs."""
        alone = "".join(character for character in self.folded if character.isalnum())
        return frozenset((self.folded, alone, *read_as_letters(self.folded), *read_as_letters(alone)))


def read_as_letters(text: str) -> tuple[str, ...]:
    """What `p4ssw0rd` means."""
    return tuple(text.translate(table) for table in _LEET_READINGS)
