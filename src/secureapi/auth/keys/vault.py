"""Private keys at rest: sealed with the key-encryption key, each bound to its id and its algorithm."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from secureapi.auth.keys.makers import make_private_key, public_jwk
from secureapi.auth.models import Phase, SigningKey
from secureapi.core.secret_values import SecretBox

_log = structlog.get_logger(__name__)
_PURPOSE = "signing-keys"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both halves of a key that could be opened.

    The public half comes from the private one and never from the row's `public_jwk`: whoever can write to the table alone must not
    be able to put a key of his own among ours.
    """

    private: Any
    public: Any
    jwk: dict[str, str]


class KeyVault:
    """Opens and makes rows. Remembers what it has opened, so that nothing is decrypted twice. Safe for threads."""

    def __init__(self, secret_box: SecretBox) -> None:
        self._secrets = secret_box
        self._opened: dict[str, tuple[bytes, KeyPair | None]] = {}

    def open(self, row: SigningKey) -> KeyPair | None:
        """The pair of a row, or None where the key-encryption key is another one, or the row was changed."""
        known = self._opened.get(row.kid)
        if known is not None and known[0] == row.private_key:
            return known[1]
        pair = self._decrypted(row)
        if pair is None:
            _log.error("keys.unreadable", kid=row.kid, hint="KEY_ENCRYPTION_KEY or SECRET_KEY is not what it was, or the row is not")
        self._opened[row.kid] = (row.private_key, pair)
        return pair

    def forget_all_but(self, kids: set[str]) -> None:
        """Let go of the private halves of keys that are gone."""
        self._opened = {kid: opened for kid, opened in self._opened.items() if kid in kids}

    def make(self, algorithm: str, now: datetime) -> SigningKey:
        """A new key, published and not yet signing, as a row that belongs to no transaction so far."""
        private = make_private_key(algorithm)
        jwk = public_jwk(private, algorithm)
        der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return SigningKey(
            kid=jwk["kid"],
            algorithm=algorithm,
            private_key=self._secrets.seal(_PURPOSE, der, context=_context(jwk["kid"], algorithm)),
            public_jwk=json.dumps(jwk),
            phase=Phase.NEXT.value,
            created_at=now,
        )

    def _decrypted(self, row: SigningKey) -> KeyPair | None:
        try:
            der = self._secrets.unseal(_PURPOSE, row.private_key, context=_context(row.kid, row.algorithm))
        except InvalidTag:
            return None
        private = load_der_private_key(der, None)
        return KeyPair(private, private.public_key(), public_jwk(private, row.algorithm))


def _context(kid: str, algorithm: str) -> bytes:
    return f"{kid}|{algorithm}".encode()
