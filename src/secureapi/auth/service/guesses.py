"""Looking at a password that somebody offers as proof, after the attempt was counted."""

from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts
from secureapi.security.errors import HashingBusy
from secureapi.security.passwords import PasswordHasher


class Guesses:
    """Right or wrong. Counting is the use case's matter, but for an attempt that came to nothing."""

    def __init__(self, *, database: Database, hasher: PasswordHasher, attempts: Attempts) -> None:
        self._database = database
        self._hasher = hasher
        self._attempts = attempts

    def is_right(self, password: str, stored: str | None, *, key: str, client: Client) -> bool:
        """Whether the password is the one that was stored; `key` is where the attempt was reserved. Raises `HashingBusy`.

        Whoever is turned away because too many wait has guessed nothing. Counted all the same, a few polite retries during a storm
        would lock the account of somebody who knows his password.
        """
        try:
            return self._hasher.verify(password, stored)
        except HashingBusy:
            with self._database.transaction(client) as session:
                self._attempts.give_back(session, key)
            raise
