"""Supabase: the table `auth.users` as CSV, by psql's copy or by the export of its table editor. bcrypt as it is."""

from collections.abc import Mapping
from typing import Any

from secureapi.core.errors import Invalid, Malformed
from secureapi.core.strict_json import parse_json
from secureapi.users.importing.fields import apart_from, identifier, moment, nested, refusal, text
from secureapi.users.importing.newcomer import Newcomer

REQUIRED = frozenset({"id", "email", "encrypted_password", "email_confirmed_at"})


def understand(record: Mapping[str, Any]) -> Newcomer:
    """`role` there is the one of the database, `authenticated` for everybody: it is not taken. Whoever is banned comes disabled."""
    if text(record, "deleted_at"):
        raise refusal("deleted_at", "deleted", "This account was deleted where it comes from.")
    email, confirmed_at = text(record, "email"), moment(record, "email_confirmed_at")
    return Newcomer(
        source_id=identifier(record, "id"),
        email=email,
        full_name=apart_from(email, _name(record)),
        password_hash=text(record, "encrypted_password"),
        is_active=text(record, "banned_until") is None,
        is_email_verified=confirmed_at is not None,
        email_verified_at=confirmed_at,
        created_at=moment(record, "created_at"),
    )


def _name(record: Mapping[str, Any]) -> str | None:
    """The name among what applications keep of somebody, where it is one."""
    kept = text(record, "raw_user_meta_data")
    if kept is None:
        return None
    try:
        known = nested({"raw_user_meta_data": parse_json(kept.encode())}, "raw_user_meta_data")
    except (Malformed, Invalid):
        return None
    name = known.get("full_name") or known.get("name")
    return name.strip() or None if isinstance(name, str) else None
