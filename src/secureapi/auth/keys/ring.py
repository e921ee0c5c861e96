"""What one process knows of the signing keys, and how it learns.

`find` runs on every authenticated request: a look into a dictionary and a comparison or two. Everything that is slower happens to
one request every few seconds, or in a thread that no request waits for.
"""

import hashlib
import json
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.auth.keys.bucket import TokenBucket
from secureapi.auth.keys.rotation import SHARED, KeyRotation, one_of
from secureapi.auth.keys.vault import KeyVault
from secureapi.auth.models import Phase, SigningKey
from secureapi.auth.repository import KeyRepository
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Unavailable
from secureapi.core.identifiers import new_id
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.trail import Trail
from secureapi.settings import Settings

_log = structlog.get_logger(__name__)
_REFRESH_SECONDS = 8.0
"""After that one request looks into the database; the others go on with what is known."""
_STALE_SECONDS = 10.0
"""After that the others wait for it, as long as `_PATIENCE_SECONDS`: what was retired by hand ends on every worker within this time."""
_PATIENCE_SECONDS = 0.25
_STRANGERS_PATIENCE_SECONDS = 2.0
"""How long a token with an unknown `kid` waits for its turn to be looked for."""
_AGAIN_SECONDS = 2.0
"""When to try again after the database could not be read."""
_CARE_SECONDS = 60.0
"""How often at most this process does what time has made due."""
_DISPLACE_SECONDS = 300.0
"""How often at most this process lets a signing key retire because it cannot read it. Two groups of workers with two key-encryption keys
would otherwise take the place from one another all day."""
_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{43}|hs256-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key in use. The algorithm belongs to it: a token that names another one is refused."""

    kid: str
    algorithm: str
    signs_with: Any = field(repr=False)
    verifies_with: Any = field(repr=False)
    is_active: bool
    verifies_until: datetime | None = None
    """Set while it retires. After that it verifies nothing, whether or not anybody has come by to retire it."""
    jwk: dict[str, str] | None = None
    """The public half; a shared secret has none."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The public keys as they are published: a JWK Set (RFC 7517 section 5) and its entity tag."""

    body: bytes
    etag: str


class KeyRing:
    """The keys of this installation, as this process knows them."""

    def __init__(self, *, settings: Settings, database: Database, secret_box: SecretBox, clock: Clock, trail: Trail) -> None:
        self._algorithm = settings.jwt_algorithm
        self._shared = _shared_key(settings.jwt_secret_key, secret_box) if self._algorithm == SHARED and settings.jwt_secret_key else None
        self._database = database
        self._clock = clock
        self._vault = KeyVault(SecretBox(settings.key_encryption_key) if settings.key_encryption_key else secret_box)
        self.rotation = KeyRotation(settings=settings, database=database, vault=self._vault, clock=clock, trail=trail)

        self._keys: dict[str, Key] = {}
        self._signing: Key | None = None
        self._is_complete = False
        self._is_care_due = False
        self._has_unreadable_active = False
        self._published: tuple[tuple[str, ...], KeySet] | None = None

        self._looking = threading.Lock()
        self._making = threading.Lock()
        self._caring = threading.Lock()
        self._strangers = TokenBucket(capacity=20, per_second=10)
        """Strangers choose the word that `find` is asked for, and must not be able to keep the database busy with it."""
        self._look_again_at = self._wait_from = float("-inf")
        self._looked_at = self._failed_at = self._displaced_at = self._cared_at = float("-inf")

    # ---- what tokens ask for

    def find(self, kid: str) -> Key | None:
        """The key with this id while it verifies. Raises `Unavailable` when it is not known and the database cannot be asked."""
        key = self._keys.get(kid)
        if key is None or time.monotonic() >= self._look_again_at:
            key = self._look_for(kid) if key is None else self._look_again(kid)
        if key is not None and key.verifies_until is not None and key.verifies_until <= self._clock.now():
            return None
        return key

    def signing_key(self) -> Key:
        """The key that new tokens are signed with. Makes one where there is none yet."""
        if self._signing is None or time.monotonic() >= self._look_again_at:
            self._refresh()
        key = self._signing
        if key is None:
            self.ensure(_of_this_process())
            key = self._signing
        if key is None:
            raise Unavailable(retry_after=_AGAIN_SECONDS)
        return key

    def published(self) -> KeySet:
        """Every public key that verifies, or is about to. Raises `Unavailable` when this process has never seen any."""
        if time.monotonic() >= self._look_again_at:
            self._refresh()
        if self._signing is None:
            # An empty set would be kept by verifiers, who then refuse the first tokens.
            with suppress(Unavailable):
                self.signing_key()
        if self._looked_at == float("-inf"):
            raise Unavailable(retry_after=_AGAIN_SECONDS)
        now = self._clock.now()
        keys = [key for key in self._keys.values() if key.jwk and (key.verifies_until is None or key.verifies_until > now)]
        kids = tuple(key.kid for key in keys)
        known = self._published
        if known is None or known[0] != kids:
            body = json.dumps({"keys": [key.jwk for key in keys]}, separators=(",", ":")).encode()
            known = self._published = (kids, KeySet(body, hashlib.sha256(body).hexdigest()[:32]))
        return known[1]

    # ---- what changes them

    def ensure(self, client: Client) -> bool:
        """Make the first keys of the algorithm in force. Whether a key signs now that did not before."""
        with self._making:
            self.reload()
            may_displace = time.monotonic() - self._displaced_at > _DISPLACE_SECONDS
            if self._algorithm == SHARED or self._is_complete or (self._has_unreadable_active and not may_displace):
                return False
            try:
                with self.rotation.turn(client, spares=2) as turn:
                    is_new = turn.complete(may_displace=may_displace)
                if turn.has_displaced:
                    self._displaced_at = time.monotonic()
            except IntegrityError:
                # Another worker was first.
                is_new = False
            self.reload()
            return is_new

    def maintain(self, client: Client) -> str | None:
        """Do what time has made due: retire what is over, publish a next key, rotate by age.

        May be called at any moment by any number of workers. The id of the key that signs now, where it is another one.
        """
        try:
            with self.rotation.turn(client) as turn:
                changed = turn.care()
        except IntegrityError:
            # Another worker was first.
            changed = None
        self.reload()
        return changed

    def reload(self) -> None:
        """Look into the database now. Raises `Unavailable`."""
        with self._looking:
            self._load()

    def can_open(self, row: SigningKey) -> bool:
        """Whether the key-encryption key at hand is the one that this row was sealed with."""
        return self._vault.open(row) is not None

    # ---- how this process learns

    def _look_again(self, kid: str) -> Key | None:
        self._refresh()
        return self._keys.get(kid)

    def _look_for(self, kid: str) -> Key | None:
        """A key that is not known: made a moment ago by another worker, or made up by a stranger."""
        if not _WELL_FORMED.fullmatch(kid):
            return None
        came_at = time.monotonic()
        if not self._looking.acquire(timeout=_STRANGERS_PATIENCE_SECONDS):
            raise Unavailable(retry_after=_AGAIN_SECONDS)
        try:
            # Whoever looked after we came has looked for us too.
            if self._looked_at < came_at:
                if self._failed_at > came_at:
                    raise Unavailable(retry_after=_AGAIN_SECONDS)
                if self._strangers.take():
                    self._load()
                elif self._failed_at > self._looked_at:
                    # Nothing is known to be wrong with the token.
                    raise Unavailable(retry_after=_AGAIN_SECONDS)
        finally:
            self._looking.release()
        self._start_caring()
        return self._keys.get(kid)

    def _refresh(self) -> None:
        """Learn what has changed, unless somebody does already. What is known stays good while the database is away."""
        must_wait = time.monotonic() >= self._wait_from
        if not self._looking.acquire(timeout=_PATIENCE_SECONDS if must_wait else 0):
            return
        try:
            if time.monotonic() >= self._look_again_at or self._signing is None:
                with suppress(Unavailable):
                    self._load()
        finally:
            self._looking.release()
        self._start_caring()

    def _load(self) -> None:
        """Read every key in use. Whoever calls holds the lock."""
        began = time.monotonic()
        try:
            # Without a transaction: strangers choose the key ids that send us here, and must not take SQLite's write lock with them.
            with self._database.reading() as connection, Session(connection) as session:
                rows = KeyRepository(session).list_usable()
        except Unavailable:
            self._failed_at = time.monotonic()
            self._look_again_at, self._wait_from = self._failed_at + _AGAIN_SECONDS, self._failed_at + _STALE_SECONDS
            raise
        keys = {row.kid: key for row in rows if (key := self._opened(row))}
        if self._shared:
            keys[self._shared.kid] = self._shared
        active = one_of(rows, self._algorithm, Phase.ACTIVE)
        following = one_of(rows, self._algorithm, Phase.NEXT)
        self._vault.forget_all_but({row.kid for row in rows})
        self._keys = keys
        self._signing = self._shared or (keys.get(active.kid) if active else None)
        self._is_complete = bool(self._signing and following and following.kid in keys)
        self._has_unreadable_active = active is not None and active.kid not in keys
        self._is_care_due = self.rotation.is_due(rows, keys)
        self._looked_at = began
        self._look_again_at, self._wait_from = began + _REFRESH_SECONDS, began + _STALE_SECONDS

    def _opened(self, row: SigningKey) -> Key | None:
        pair = self._vault.open(row)
        if pair is None:
            return None
        return Key(
            row.kid,
            row.algorithm,
            pair.private,
            pair.public,
            is_active=row.phase == Phase.ACTIVE,
            verifies_until=row.verifies_until if row.phase == Phase.RETIRING else None,
            jwk=pair.jwk,
        )

    # ---- what is done meanwhile

    def _start_caring(self) -> None:
        """Do what is due in a thread of its own, one at a time: a request never waits for it."""
        if not self._is_care_due or time.monotonic() - self._cared_at < _CARE_SECONDS or not self._caring.acquire(blocking=False):
            return
        self._cared_at = time.monotonic()
        try:
            threading.Thread(target=self._care, name="signing-keys", daemon=True).start()
        except RuntimeError as error:
            self._caring.release()
            _log.warning("keys.maintenance_failed", reason=type(error).__name__)

    def _care(self) -> None:
        try:
            self.maintain(_of_this_process())
        except Exception as error:  # noqa: BLE001 - there is nobody to raise it to, and it is tried again in a minute
            _log.warning("keys.maintenance_failed", reason=type(error).__name__)
        finally:
            self._caring.release()


def _shared_key(secret: str, secret_box: SecretBox) -> Key:
    # Not a thumbprint: that would be a fast hash of the secret, for everybody to see.
    kid = "hs256-" + secret_box.fingerprint("jwt-shared-key-id", secret)[:16]
    return Key(kid, SHARED, secret.encode(), secret.encode(), is_active=True)


def _of_this_process() -> Client:
    """Who does what time has made due."""
    return Client(address="", user_agent="signing keys", request_id=new_id())
