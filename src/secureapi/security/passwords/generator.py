"""Making a password for somebody who has none at the moment."""

import secrets

_LETTERS = "abcdefghijkmnpqrstuvwxyz"
_ALPHABET = _LETTERS + _LETTERS.upper().replace("I", "").replace("O", "") + "23456789"
"""Without what looks alike in print: no 0 and O, no 1, I and l."""
_GROUPS, _GROUP_LENGTH = 4, 5


def generate_password() -> str:
    """Twenty random characters in four groups, more than 110 bits: long enough, and of every class, for each of the policies."""
    while True:
        password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
        if any(c.islower() for c in password) and any(c.isupper() for c in password) and any(c.isdigit() for c in password):
            return password
