"""How hard a long password is to guess, by zxcvbn's estimate, in bounded time and with nothing left behind.

zxcvbn's own entry is not used: it puts the words about one person into a table that all threads share, where they stay and are
counted against the next person; and forty characters such as `4@8({[<` keep it busy for seconds.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

_LONG_ANYWAY = 64
"""From here on nobody guesses; zxcvbn itself takes no more than 72."""
_MOST_READINGS = 4
"""In so many ways at most may signs be read as letters before they are not."""


def score_of(password: str, words: Sequence[str]) -> int:
    """0 to 4; 3 is "safely unguessable", more than 10^8 guesses, and 2 more than 10^6. `words` are tried first by whoever guesses."""
    if len(password) >= _LONG_ANYWAY:
        return 4
    from zxcvbn import matching, scoring, time_estimates  # noqa: PLC0415 - 20 ms that only those who choose a password need to spend

    read = _with_few_readings(password)
    known = [word.lower() for word in words]
    if read != password:
        known += [_without_signs(word) for word in known]
    dictionaries = _dictionaries() | {"user_inputs": matching.build_ranked_dict(known)}
    guesses = scoring.most_guessable_match_sequence(read, matching.omnimatch(read, dictionaries))["guesses"]
    score: int = time_estimates.guesses_to_score(guesses)
    return score


@lru_cache(maxsize=1)
def _dictionaries() -> dict[str, Any]:
    from zxcvbn import matching  # noqa: PLC0415 - likewise

    return {name: words for name, words in matching.RANKED_DICTIONARIES.items() if name != "user_inputs"}


def _with_few_readings(password: str) -> str:
    """The password, or itself with one letter for each sign where there would be too many ways to read them.

    zxcvbn tries every way, and their number is the product over the letters of how many signs stand for each.
    """
    from zxcvbn.matching import L33T_TABLE  # noqa: PLC0415 - likewise

    present = set(password)
    ways = prod(max(1, len(present.intersection(signs))) for signs in L33T_TABLE.values())
    return password if ways <= _MOST_READINGS else _without_signs(password)


def _without_signs(text: str) -> str:
    """The text with one letter for each sign that may stand for one. Digits stay: there may be dates among them."""
    from zxcvbn.matching import L33T_TABLE  # noqa: PLC0415 - likewise

    return text.translate({ord(sign): letter for letter, signs in L33T_TABLE.items() for sign in signs if not sign.isdigit()})
