"""A person as another system knows him: one type for all formats. Nothing of it has been checked against our rules yet."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """What a source says of somebody."""

    email: str | None
    username: str | None = None
    """None where the source has none, or has the address in its place."""
    full_name: str | None = None
    bio: str | None = None
    website: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    """In a notation that `read_imported` reads, as far as the format could bring it into one."""
    password: str | None = field(default=None, repr=False)
    """In plain text, from files that were written by hand."""
    source_id: str | None = None
    role: str | None = None
    is_active: bool = True
    is_email_verified: bool = False
    email_verified_at: datetime | None = None
    created_at: datetime | None = None
