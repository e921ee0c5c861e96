"""Looking at a password that somebody offers, after the attempt was counted."""

from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempt, Attempts
from secureapi.security.delays import Delays
from secureapi.security.errors import HashingBusy
from secureapi.security.passwords import PasswordHasher


class Guesses:
    """Right or wrong. Counting is the use case's matter, but for an attempt that came to nothing."""

    def __init__(self, *, database: Database, hasher: PasswordHasher, attempts: Attempts, delays: Delays) -> None:
        self._database = database
        self._hasher = hasher
        self._attempts = attempts
        self._delays = delays

    def is_right(self, password: str, stored: str | None, *, attempt: Attempt, key: str, client: Client) -> bool:
        """Whether the password is the one that was stored; `key` is where the attempt was reserved. Raises `HashingBusy`.

        Whoever is turned away because too many wait has guessed nothing. Counted all the same, a few polite retries during a storm
        would lock the account of somebody who knows his password.
        """
        try:
            self._delays.hold(attempt)
            return self._hasher.verify(password, stored)
        except HashingBusy:
            with self._database.transaction(client) as session:
                self._attempts.give_back(session, key)
            raise
