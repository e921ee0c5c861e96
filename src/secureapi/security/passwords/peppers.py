"""Peppers: secrets that are mixed into every password and are never in the database."""

import base64
import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, field
from typing import Self

from secureapi.core.secret_values import SecretBox
from secureapi.settings import Settings


@dataclass(frozen=True, slots=True)
class Pepper:
    """One of them. Its id is in the stored strings; it tells nothing about the pepper."""

    id: str
    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Self:
        key = hashlib.sha256(b"secureapi/password/" + secret).digest()
        return cls(hashlib.sha256(b"secureapi/pepper-id/" + key).hexdigest()[:8], key)

    def mixed_into(self, password: str) -> bytes:
        """What is hashed in place of the password: 44 bytes of base64 of its HMAC-SHA256, once it is normalised (NFKC)."""
        normalised = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._key, normalised, "sha256"))


class Peppers:
    """The one in force, and the former ones under which there may still be hashes."""

    def __init__(self, settings: Settings, secrets: SecretBox) -> None:
        # Hashes of the time before PASSWORD_PEPPER was set were made with the derived one: nobody is locked out for setting it.
        derived = secrets.key("password-pepper")
        self.in_force = Pepper.of(settings.password_pepper.encode() or derived)
        known = (self.in_force, *(Pepper.of(old.encode()) for old in settings.password_peppers_old), Pepper.of(derived))
        self._by_id = {pepper.id: pepper for pepper in known}

    def find(self, pepper_id: str) -> Pepper | None:
        return self._by_id.get(pepper_id)
