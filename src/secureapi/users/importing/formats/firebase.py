"""Firebase: `firebase auth:export users.json`, and the hash parameters of the project from its console.

Its scrypt cannot be looked at without the parameters; with them, each hash becomes one that stands by itself (`firebase_string`).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from secureapi.core.errors import Malformed
from secureapi.security.passwords.imported import firebase_string
from secureapi.users.importing.fields import apart_from, identifier, milliseconds, text, truth
from secureapi.users.importing.newcomer import Newcomer

_LINE = re.compile(r"(base64_signer_key|base64_salt_separator|rounds|mem_cost)\"?\s*[:=]\s*\"?([A-Za-z0-9+/_=-]*)\"?")
_NAMES = frozenset({"base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"})
_UNREADABLE = "firebase-scrypt"
"""Stands for a hash that nothing can be made of: no notation that is read begins like this."""


@dataclass(frozen=True, slots=True)
class HashParameters:
    """What the hashes of one project have in common."""

    signer_key: bytes = field(repr=False)
    salt_separator: bytes
    rounds: int
    """r of scrypt."""
    mem_cost: int
    """The logarithm of N."""

    @classmethod
    def of(cls, written: str) -> Self:
        """Read `hash_config { … }` as the console shows it. Raises `Malformed`."""
        found = dict(_LINE.findall(written))
        try:
            if found.keys() != _NAMES:
                raise ValueError
            return cls(
                _decoded(found["base64_signer_key"]),
                _decoded(found["base64_salt_separator"]),
                int(found["rounds"]),
                int(found["mem_cost"]),
            )
        except ValueError:
            names = ", ".join(sorted(_NAMES))
            raise Malformed(detail=f"These are not the hash parameters of a Firebase project; they have {names}.") from None


def understand(parameters: HashParameters | None, record: Mapping[str, Any]) -> Newcomer:
    """Somebody who signs in with a telephone number or with another service only has no hash, and perhaps no address."""
    email = text(record, "email")
    return Newcomer(
        source_id=identifier(record, "localId"),
        email=email,
        full_name=apart_from(email, text(record, "displayName")),
        password_hash=_stored(parameters, text(record, "passwordHash"), text(record, "salt")),
        is_active=not truth(record, "disabled", default=False),
        is_email_verified=truth(record, "emailVerified", default=False),
        created_at=milliseconds(record, "createdAt"),
    )


def _stored(parameters: HashParameters | None, digest: str | None, salt: str | None) -> str | None:
    if digest is None:
        return None
    if parameters is None or salt is None:
        return _UNREADABLE
    try:
        return firebase_string(
            log_n=parameters.mem_cost,
            r=parameters.rounds,
            salt=_decoded(salt) + parameters.salt_separator,
            digest=_decoded(digest),
            signer_key=parameters.signer_key,
        )
    except ValueError:
        return _UNREADABLE


def _decoded(written: str) -> bytes:
    """Base64 of either alphabet. Raises `ValueError`."""
    try:
        return base64.b64decode(written.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
