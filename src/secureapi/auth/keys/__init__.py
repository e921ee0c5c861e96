"""Signing keys: kept encrypted in the database, shared by every worker, found by their `kid`.

`makers` makes key pairs, `vault` seals and opens them, `rotation` moves them from phase to phase inside a transaction, and `ring` is
what one process knows of them. Tokens are not here: they ask the ring for a key.
"""

from secureapi.auth.keys.makers import thumbprint
from secureapi.auth.keys.ring import Key, KeyRing, KeySet
from secureapi.auth.keys.rotation import KeyRotation, Turn

__all__ = ["Key", "KeyRing", "KeyRotation", "KeySet", "Turn", "thumbprint"]
