"""Keycloak: `kc.sh export --realm … --users realm_file` (or the files of `--users different_files`, one after the other).

A credential has its secret and its costs as JSON inside of JSON: PBKDF2 with any of three digests, or Argon2.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from secureapi.core.errors import Invalid, Malformed
from secureapi.core.strict_json import parse_json
from secureapi.security.passwords.imported import pbkdf2_string
from secureapi.users.importing.fields import apart_from, identifier, joined, milliseconds, nested, text, truth
from secureapi.users.importing.newcomer import Newcomer

_DIGESTS = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}
_ARGON2_VERSIONS = {"1.0": 16, "1.3": 19}
_UNREADABLE = "keycloak"
"""Stands for a hash that nothing can be made of: no notation that is read begins like this."""


def understand(record: Mapping[str, Any]) -> Newcomer:
    """Realm roles are names that only Keycloak knows: they are not taken."""
    email = text(record, "email")
    return Newcomer(
        source_id=identifier(record, "id"),
        email=email,
        username=apart_from(email, text(record, "username")),
        full_name=joined(text(record, "firstName"), text(record, "lastName")),
        password_hash=_stored(record.get("credentials")),
        is_active=truth(record, "enabled", default=True),
        is_email_verified=truth(record, "emailVerified", default=False),
        created_at=milliseconds(record, "createdTimestamp"),
    )


def _stored(credentials: object) -> str | None:
    """The hash of the first password among somebody's credentials."""
    for credential in credentials if isinstance(credentials, list) else ():
        if isinstance(credential, dict) and credential.get("type") == "password":
            try:
                return _written(_inner(credential, "secretData"), _inner(credential, "credentialData"))
            except (ValueError, LookupError, TypeError, AttributeError, Malformed, Invalid):
                return _UNREADABLE
    return None


def _inner(credential: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return nested({name: parse_json((text(credential, name) or "{}").encode())}, name)


def _written(secret: Mapping[str, Any], costs: Mapping[str, Any]) -> str:
    salt, digest = _decoded(secret["salt"]), _decoded(secret["value"])
    algorithm, iterations = costs["algorithm"], int(costs["hashIterations"])
    if algorithm in _DIGESTS:
        return pbkdf2_string(_DIGESTS[algorithm], iterations=iterations, salt=salt, digest=digest)
    if algorithm != "argon2":
        return _UNREADABLE
    further = {name: values[0] for name, values in costs["additionalParameters"].items()}
    kind, version = f"argon2{further['type']}", _ARGON2_VERSIONS[further.get("version", "1.3")]
    memory, lanes = int(further["memory"]), int(further["parallelism"])
    return f"${kind}$v={version}$m={memory},t={iterations},p={lanes}${_unpadded(salt)}${_unpadded(digest)}"


def _decoded(written: str) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()
