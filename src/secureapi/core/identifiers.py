"""Identifiers: made sortable by time, read in one canonical spelling only."""

import re
import secrets
import time
from uuid import uuid4

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> str:
    """A UUID version 7 (RFC 9562 section 5.7) as 36 lower-case characters: 48 bits of Unix milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_id(text: str) -> bool:
    """Whether the text is an identifier in its one canonical spelling.

    Upper case, braces, `urn:uuid:` and missing dashes are all refused: one spelling means that comparing two identifiers
    as text can never be fooled into taking one's own id for somebody else's.
    """
    return _CANONICAL.fullmatch(text) is not None


def timeless_id() -> str:
    """A random one (RFC 9562, version 4), for what strangers get to see: it does not say to the millisecond when it was made."""
    return str(uuid4())
