"""Hashing passwords with a pepper, behind a gate.

A password is normalised (NFKC), keyed with the pepper (HMAC-SHA256) and only then given to bcrypt or Argon2id, as base64. That lifts
bcrypt's limit of 72 bytes, makes NUL harmless, and makes a stolen table useless without the pepper.
"""

import os

from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import HashingBusy
from secureapi.security.passwords.gate import HashGate
from secureapi.security.passwords.imported import read_imported
from secureapi.security.passwords.peppers import Peppers
from secureapi.security.passwords.schemes import Hashed, read_own, scheme_named
from secureapi.settings import Settings

_PREFIX = "hmac-sha256"


class PasswordHasher:
    """Hashes and verifies. Stored strings read `hmac-sha256$<pepper id>$2b$…` or `hmac-sha256$<pepper id>$argon2id$…`.

    Both schemes release the interpreter, so a storm of logins could take every core from everybody else; the gate lets only so many
    through at a time.
    """

    def __init__(self, settings: Settings, secrets: SecretBox) -> None:
        self._peppers = Peppers(settings, secrets)
        self._scheme = scheme_named(settings.password_hash, settings)
        former = settings.password_hash_former
        self._covered = (self._scheme, *([scheme_named(former, settings)] if former != "none" else []))
        places = settings.threads.hashing
        cores = (os.cpu_count() or 1) // settings.web_concurrency
        workers = settings.password_hash_workers or max(1, min(cores, places - (settings.password_hash_queue or 1)))
        self._gate = HashGate(
            workers=workers,
            most_waiting=settings.password_hash_queue or max(0, places - workers),
            patience=settings.password_hash_wait_seconds,
            niceness=settings.password_hash_niceness,
        )

    def hash(self, password: str, *, whose: str = "") -> str:
        """The string to store. `whose` is the account of whoever asks, where he is no stranger: he goes first. Raises `HashingBusy`."""
        pepper = self._peppers.in_force
        hashed = self._gate.run(self._scheme.make, pepper.mixed_into(password), whose=whose)
        return f"{_PREFIX}${pepper.id}{hashed}"

    def verify(self, password: str, stored: str | None, *, whose: str = "") -> bool:
        """Whether the password is the one. Takes the same time for a wrong one and for no stored string at all.

        Hash even when nobody was found: otherwise the answer comes back sooner and a stranger learns which names have an account. Nor may
        a damaged, an older or another system's string be answered sooner: what its own work is short of ours is done besides.
        """
        found, secret = self._read(stored or "", password)
        return self._gate.run(self._look, found, secret, whose=whose)

    def refuse_strangers_if_full(self) -> None:
        """Raise `HashingBusy` where a stranger would be turned away just now, so that nothing has to be written for him."""
        self._gate.refuse_strangers_if_full()

    def knows(self, stored: str) -> bool:
        """Whether a string of somebody else's is one that some password can fit here: understood, affordable, its pepper known."""
        return self._read(stored, "")[0] is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether a stored string is weaker than, or just other than, what `hash` would make now."""
        prefix, pepper_id, hashed = _parts(stored)
        is_in_force = prefix == _PREFIX and pepper_id == self._peppers.in_force.id
        return not (is_in_force and self._scheme.is_present(read_own(hashed)))

    def rehashed(self, password: str, stored: str, *, whose: str = "") -> str | None:
        """The string to store in place of one that has just verified; None when that one will do, or too many are waiting.

        Whoever gave the right password is let in even where there is no time for a better hash: the next login makes it.
        """
        if not self.needs_rehash(stored):
            return None
        try:
            return self.hash(password, whose=whose)
        except HashingBusy:
            return None

    def _look(self, found: Hashed | None, secret: bytes) -> bool:
        is_right = found is not None and found.fits(secret)
        for scheme in self._covered:
            scheme.make_up_for(found)
        return is_right

    def _read(self, stored: str, password: str) -> tuple[Hashed | None, bytes]:
        """What a stored string asks to be compared, and with which bytes. None when it is damaged, or its pepper is not known."""
        prefix, pepper_id, hashed = _parts(stored)
        if prefix != _PREFIX:
            return read_imported(stored), password.encode("utf-8", "surrogatepass")
        pepper = self._peppers.find(pepper_id)
        return read_own(hashed) if pepper else None, (pepper or self._peppers.in_force).mixed_into(password)


def _parts(stored: str) -> tuple[str, str, str]:
    """The first word, the id of the pepper, and the rest in the scheme's own notation, which begins with a $."""
    prefix, _, rest = stored.partition("$")
    pepper_id, dollar, hashed = rest.partition("$")
    return prefix, pepper_id, dollar + hashed
