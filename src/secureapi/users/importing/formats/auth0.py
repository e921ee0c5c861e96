"""Auth0: the file of password hashes that its support sends (NDJSON), or its bulk export of users, which has none.

`{"_id":{"$oid":"…"},"email":"…","email_verified":true,"passwordHash":"$2b$10$…","connection":"…"}`, bcrypt as it is.
"""

from collections.abc import Mapping
from typing import Any

from secureapi.users.importing.fields import apart_from, identifier, joined, moment, nested, text, truth
from secureapi.users.importing.newcomer import Newcomer


def understand(record: Mapping[str, Any]) -> Newcomer:
    """Both files name the same things differently; a file that joins the two is understood as well."""
    email = text(record, "email")
    name = text(record, "name") or joined(text(record, "given_name"), text(record, "family_name"))
    return Newcomer(
        source_id=identifier(record, "user_id") or (identifier(nested(record, "_id"), "$oid") if "_id" in record else None),
        email=email,
        username=apart_from(email, text(record, "username")),
        full_name=apart_from(email, name),
        password_hash=text(record, "passwordHash") or text(record, "password_hash"),
        is_active=not truth(record, "blocked", default=False),
        is_email_verified=truth(record, "email_verified", default=False),
        created_at=moment(record, "created_at"),
    )
