"""When two names are the same name: the canonical forms that the database holds unique.

Python does the folding, once, here; the database compares bytes. So the two can never disagree about İ, ı, the Kelvin sign or ß.
"""

import re
import unicodedata
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from secureapi.core.identifiers import is_id

USERNAME_PATTERN = r"[A-Za-z0-9_-]{3,50}"
WEBSITE_PATTERN = r"https?://[^\s<>\"'\\\u0000-\u0020\u007f-\u009f\u202a-\u202e\u2066-\u2069]{1,247}"
BIO_LENGTH, WEBSITE_LENGTH = 500, 255
ROLE_PATTERN = r"[a-z][a-z0-9-]{1,31}"
EMAIL_LENGTH = 254
"""RFC 5321 section 4.5.3.1.3: 256 octets with the angle brackets."""
CANONICAL_LENGTH = 512
"""Folding makes some texts longer: U+FDFA alone becomes eighteen characters."""
STATUSES = ("active", "invited", "locked", "disabled")
"""What an account is called: see `RECORD` in `users/repository.py`."""
SORTS = ("created_at", "-created_at", "username", "-username")
"""Orders in which accounts may be listed; a minus sign turns one around."""
MOST_PASSED = 2_000
"""So many accounts are counted, and may be passed over to reach a page. Who goes on behind them goes by `after`, which costs the same
anywhere.
"""
MOST_FOUND = 500
"""So many accounts a search finds by their names, and as many by their addresses: the first in the alphabet."""
NO_PASSWORD = "!"  # noqa: S105 - the absence of one
"""Stands in files where somebody has no password that may be taken over."""
RESERVED_ROLES = frozenset({"administrator", "superuser", "root", "system", "anonymous", "everyone", "nobody"})
"""Roles that nobody defines: services read the name in tokens, and would take it for more, or for less, than it is."""
RESERVED_USERNAMES = frozenset(
    [
        "admin",
        "administrator",
        "root",
        "system",
        "api",
        "www",
        "mail",
        "support",
        "help",
        "security",
        "null",
        "undefined",
        "true",
        "false",
        "me",
        "moderator",
        "owner",
        "postmaster",
    ]
)


_PLAIN = re.compile(r"(?=[^@]{1,64}@)([a-z0-9]+(?:[._+-][a-z0-9]+)*)@([a-z0-9]+(?:[.-][a-z0-9]+)+)")


def canonical_text(text: str) -> str:
    """NFKC, case-folded, and normalised again, since folding can undo normalisation (Unicode 3.13, toNFKC_Casefold)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def canonical_email(address: str) -> str:
    """The one form of an address: local part folded, domain as an IDNA A-label. Raises `ValueError` when it is none.

    Folding can make something else of a local part (a full-width @ becomes a real one), so the form must be an address too, and its
    own canonical form: otherwise it is no form to compare by.
    """
    plain = _PLAIN.fullmatch(address)
    if plain and len(address) <= EMAIL_LENGTH:
        # Most addresses are typed like this, and are their own canonical form as soon as their domain is one.
        return f"{plain[1]}@{_domain(plain[2])}"
    canonical = _folded(address)
    # What folds to itself is its own canonical form.
    if len(canonical) > CANONICAL_LENGTH or (canonical != address and _folded(canonical) != canonical):
        raise ValueError("not an email address")
    return canonical


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str:
    """A domain of an address, if it is one. Looking at it takes ten times as long as all the rest, and there are few of them."""
    return _folded(f"a@{domain}").removeprefix("a@")


def _folded(address: str) -> str:
    try:
        parts = validate_email(address, check_deliverability=False, test_environment=True, strict=True)
    except (EmailNotValidError, UnicodeError):
        raise ValueError("not an email address") from None
    return f"{canonical_text(parts.local_part)}@{(parts.ascii_domain or parts.domain).lower()}"


def canonical_login(name: str) -> str:
    """What somebody typed to sign in, in the form in which it is looked for. Takes anything."""
    for typed in (name.strip(), unicodedata.normalize("NFKC", name).strip()):
        if "@" in typed:
            try:
                return canonical_email(typed)
            except ValueError:
                continue
    return canonical_text(name).strip()


def is_reserved(username: str) -> bool:
    """Whether a name would be taken for the service itself, or for the id of an account."""
    canonical = canonical_text(username)
    return canonical in RESERVED_USERNAMES or is_id(canonical)
