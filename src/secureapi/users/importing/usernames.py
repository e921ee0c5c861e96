"""Usernames for people who come without one, made of their addresses."""

import base64
import hashlib
import re

from secureapi.users.rules import is_reserved

_OTHERS = re.compile(r"[^A-Za-z0-9_-]+")
_LEAST, _MOST = 3, 36


def names_for(email_canonical: str, user_id: str) -> tuple[str, str, str]:
    """Three usernames, the nicest first: the local part of the address, then with a short ending, then with a long one.

    The endings follow from the id, so that an import that is run again makes the same ones.
    """
    local = _OTHERS.sub("-", email_canonical.partition("@")[0].partition("+")[0]).strip("-_")[:_MOST]
    base = local if len(local) >= _LEAST else f"user-{local}".rstrip("-")
    ending = base64.b32encode(hashlib.sha256(user_id.encode()).digest()).decode().lower()
    short, long = f"{base}-{ending[:4]}", f"{base}-{ending[:12]}"
    return (long if is_reserved(base) else base, short, long)
