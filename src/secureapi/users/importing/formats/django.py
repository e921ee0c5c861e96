"""Django: `manage.py dumpdata auth.User --format jsonl`, one `{"model": …, "pk": …, "fields": {…}}` a line.

Hashes of its PBKDF2 are read as they are. Argon2, bcrypt and scrypt stand behind a word of its own, which is taken away or rewritten.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from secureapi.users.importing.fields import apart_from, identifier, joined, moment, nested, text, truth
from secureapi.users.importing.newcomer import Newcomer

_UNUSABLE = "!"
_SCRYPT = re.compile(r"scrypt\$([1-9][0-9]{0,6})\$([^$\s]{1,128})\$([1-9][0-9]?)\$([1-9][0-9]?)\$([A-Za-z0-9+/]{86}==)")


def understand(record: Mapping[str, Any]) -> Newcomer:
    """`is_superuser` becomes the role admin, where roles are taken at all."""
    fields = nested(record, "fields")
    email = text(fields, "email")
    return Newcomer(
        source_id=identifier(record, "pk"),
        email=email,
        username=apart_from(email, text(fields, "username")),
        full_name=joined(text(fields, "first_name"), text(fields, "last_name")),
        password_hash=_stored(text(fields, "password")),
        role="admin" if truth(fields, "is_superuser", default=False) else None,
        is_active=truth(fields, "is_active", default=True),
        created_at=moment(fields, "date_joined"),
    )


def _stored(written: str | None) -> str | None:
    if written is None or written.startswith(_UNUSABLE):
        return None
    if written.startswith(("argon2$argon2", "bcrypt$$2")):
        return written.removeprefix("argon2").removeprefix("bcrypt$")
    found = _SCRYPT.fullmatch(written)
    return _scrypt(*found.groups()) or written if found else written


def _scrypt(n: str, salt: str, r: str, p: str, digest: str) -> str | None:
    """The same in Werkzeug's notation: both take the salt as the text that it is."""
    try:
        return f"scrypt:{n}:{r}:{p}${salt}${base64.b64decode(digest, validate=True).hex()}"
    except binascii.Error:
        return None
