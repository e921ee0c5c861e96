"""Looking at a password that somebody offers, after the attempt was counted."""

from dataclasses import dataclass

from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempt, Attempts
from secureapi.security.delays import Delays
from secureapi.security.errors import HashingBusy
from secureapi.security.passwords import PasswordHasher


@dataclass(frozen=True, slots=True)
class Guess:
    """What was counted for one password that somebody offers."""

    keys: tuple[str, ...]
    """Where it was reserved, in that order: the same for everybody, or two of them would wait for one another."""
    attempt: Attempt
    """What the first of them said."""
    pace: Attempt
    """What the last of them said: by this one it is delayed."""
    whose: str
    """The account of whoever is known, and goes before strangers; empty for a stranger."""


class Guesses:
    """Right or wrong. Counting is the use case's matter, but for an attempt that came to nothing."""

    def __init__(self, *, database: Database, hasher: PasswordHasher, attempts: Attempts, delays: Delays) -> None:
        self._database = database
        self._hasher = hasher
        self._attempts = attempts
        self._delays = delays

    def is_right(self, password: str, stored: str | None, *, guess: Guess, client: Client) -> bool:
        """Whether the password is the one that was stored. Raises `HashingBusy`.

        Whoever is turned away because too many wait has guessed nothing. Counted all the same, a few polite retries during a storm
        would lock the account of somebody who knows his password.
        """
        try:
            self._delays.hold(guess.pace, is_known=bool(guess.whose))
            return self._hasher.verify(password, stored, whose=guess.whose)
        except HashingBusy:
            with self._database.transaction(client) as session:
                for key, reserved in zip(guess.keys, (guess.attempt, guess.pace), strict=False):
                    if reserved.is_allowed:
                        self._attempts.give_back(session, key)
                self._attempts.sweep(session)
            raise
