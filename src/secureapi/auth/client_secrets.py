"""The secrets of clients: made by us, told once, kept as hashes."""

import hashlib
import secrets

PREFIX = "sac_"
"""Tells people and secret scanners what they have found."""
_BYTES = 32


def new_secret() -> str:
    """`sac_` and 43 characters of base64url: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def hash_of(secret: str) -> bytes:
    """What is kept: SHA-256. Of a secret that nobody chose, so that a slow hash would protect nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
