"""Signing keys: kept encrypted in the database, shared by every worker, found by their `kid`."""

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.auth.events import KEY_CREATED
from secureapi.auth.models import SigningKey
from secureapi.auth.repository import KeyRepository
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Unavailable
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.trail import Trail
from secureapi.settings import Settings

_log = structlog.get_logger(__name__)
_RSA_BITS = 3072
_RELOAD_SECONDS = 60.0
_IMPATIENCE_SECONDS = 2.0
"""How often at most an unknown `kid` may send us to the database: strangers choose that word."""
_PURPOSE = "signing-keys"


@dataclass(frozen=True, slots=True)
class Key:
    """A key in use. The algorithm belongs to it: a token that names another one is refused."""

    kid: str
    algorithm: str
    signs_with: Any
    verifies_with: Any
    is_active: bool


class KeyRing:
    """The keys of this installation, as this process knows them."""

    def __init__(self, *, settings: Settings, database: Database, secret_box: SecretBox, clock: Clock, trail: Trail) -> None:
        self._algorithm = settings.jwt_algorithm
        self._shared_secret = settings.jwt_secret_key
        self._database = database
        self._secrets = secret_box
        self._clock = clock
        self._trail = trail
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}
        self._loaded_at = float("-inf")

    def signing_key(self) -> Key:
        """The key that new tokens are signed with. Makes one where there is none yet."""
        key = self._active()
        if key is None or time.monotonic() - self._loaded_at > _RELOAD_SECONDS:
            self._load()
            key = self._active()
        if key is None:
            self.ensure(Client.of_command_line())
            key = self._active()
        if key is None:
            raise Unavailable
        return key

    def find(self, kid: str) -> Key | None:
        """The key with this id, from memory, or freshly read when it is not known; `kid` never becomes part of a query."""
        key = self._keys.get(kid)
        patience = _RELOAD_SECONDS if key else _IMPATIENCE_SECONDS
        if time.monotonic() - self._loaded_at > patience:
            try:
                self._load(unless_younger_than=patience)
            except Unavailable:
                # A key that was good a minute ago is good enough while the database is away.
                if key is None:
                    raise
            key = self._keys.get(kid)
        return key

    def ensure(self, client: Client) -> bool:
        """Make the first key of the algorithm in force. Whether one had to be made."""
        if self._algorithm == "HS256":
            self._load()
            return False
        try:
            with self._database.transaction(client) as session:
                is_missing = self._add_missing(session, client)
        except IntegrityError:
            # Another worker was first.
            is_missing = False
        self._load()
        return is_missing

    def _add_missing(self, session: Session, client: Client) -> bool:
        keys = KeyRepository(session)
        for row in keys.list_usable():
            if row.phase != "active" or row.algorithm != self._algorithm:
                continue
            if self._opened(row):
                return False
            # After a change of SECRET_KEY there is an active key, and still none to sign with.
            row.phase, row.retired_at = "retired", self._clock.now()
            session.flush()
        made = self._make(self._algorithm)
        keys.add(made)
        self._trail.record(session, KEY_CREATED, client=client, kid=made.kid, algorithm=made.algorithm)
        return True

    def _active(self) -> Key | None:
        # The oldest active one: two workers that both made a first key then agree on which to use.
        return next((k for k in self._keys.values() if k.is_active and k.algorithm == self._algorithm), None)

    def _load(self, *, unless_younger_than: float = 0.0) -> None:
        with self._lock:
            if time.monotonic() - self._loaded_at < unless_younger_than:
                # Somebody else has looked while we waited for the lock.
                return
            # Without a transaction: strangers choose the key ids that send us here, and must not take SQLite's write lock with them.
            with self._database.reading() as connection, Session(connection) as session:
                rows = KeyRepository(session).list_usable()
            found = [key for row in rows if (key := self._opened(row))]
            if self._algorithm == "HS256" and self._shared_secret:
                found.append(self._shared_key())
            self._keys = {key.kid: key for key in found}
            self._loaded_at = time.monotonic()

    def _opened(self, row: SigningKey) -> Key | None:
        try:
            der = self._secrets.unseal(_PURPOSE, row.private_key, context=_context(row.kid, row.algorithm))
        except InvalidTag:
            # SECRET_KEY was changed, or the row was: either way the key is of no use, and must not be.
            _log.error("keys.unreadable", kid=row.kid)
            return None
        private = load_der_private_key(der, None)
        return Key(row.kid, row.algorithm, private, private.public_key(), row.phase == "active")

    def _shared_key(self) -> Key:
        # Not a thumbprint: that would be a fast hash of the secret, for everybody to see.
        kid = "hs256-" + self._secrets.fingerprint("jwt-shared-key-id", self._shared_secret)[:16]
        secret = self._shared_secret.encode()
        return Key(kid, "HS256", secret, secret, is_active=True)

    def _make(self, algorithm: str) -> SigningKey:
        private, jwk = _MAKERS[algorithm]()
        kid = thumbprint(jwk)
        der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return SigningKey(
            kid=kid,
            algorithm=algorithm,
            private_key=self._secrets.seal(_PURPOSE, der, context=_context(kid, algorithm)),
            public_jwk=json.dumps(jwk | {"kid": kid, "use": "sig", "alg": algorithm}),
            phase="active",
            created_at=self._clock.now(),
            activated_at=self._clock.now(),
        )


def thumbprint(jwk: dict[str, str]) -> str:
    """The id of a public key: SHA-256 over its required members in order (RFC 7638 section 3)."""
    members = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    canonical = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def _context(kid: str, algorithm: str) -> bytes:
    return f"{kid}|{algorithm}".encode()


def _elliptic() -> tuple[Any, dict[str, str]]:
    private = ec.generate_private_key(ec.SECP256R1())
    return private, json.loads(ECAlgorithm.to_jwk(private.public_key()))


def _edwards() -> tuple[Any, dict[str, str]]:
    private = ed25519.Ed25519PrivateKey.generate()
    return private, json.loads(OKPAlgorithm.to_jwk(private.public_key()))


def _rsa() -> tuple[Any, dict[str, str]]:
    private = rsa.generate_private_key(65537, _RSA_BITS)
    jwk = json.loads(RSAAlgorithm.to_jwk(private.public_key()))
    return private, {name: jwk[name] for name in ("kty", "n", "e")}


_MAKERS = {"ES256": _elliptic, "EdDSA": _edwards, "RS256": _rsa}
