"""Our own two formats, CSV and NDJSON: what `flask user export` writes, and what is easily written by hand."""

from collections.abc import Mapping
from typing import Any

from secureapi.core.errors import Fault, Invalid
from secureapi.users.importing.cells import plain_cell
from secureapi.users.importing.fields import apart_from, identifier, moment, text, truth
from secureapi.users.importing.newcomer import Newcomer
from secureapi.users.rules import NO_PASSWORD

COLUMNS = frozenset(
    [
        "id",
        "username",
        "email",
        "full_name",
        "bio",
        "website",
        "role",
        "status",
        "email_verified",
        "email_verified_at",
        "created_at",
        "updated_at",
        "password_hash",
        "password",
    ]
)
_UNMARKED = frozenset({"password", "password_hash"})
"""What is taken as it stands: an export writes no password, and no hash begins with one of the signs."""
_STATUS = {None: True, "active": True, "disabled": False}


def understand(record: Mapping[str, Any]) -> Newcomer:
    """`updated_at` is known and of no use here: an account is new on the day on which it comes."""
    if not record.keys() <= COLUMNS:
        raise Invalid(faults=[Fault("/?", "unknown_field", f"The row has fields that are not known. Known: {', '.join(sorted(COLUMNS))}.")])
    status = text(record, "status")
    if status not in _STATUS:
        raise Invalid(faults=[Fault("/status", "one_of", "A status is active or disabled.")])
    email, stored = text(record, "email"), text(record, "password_hash")
    verified_at = moment(record, "email_verified_at")
    return Newcomer(
        source_id=identifier(record, "id"),
        email=email,
        username=apart_from(email, text(record, "username")),
        full_name=text(record, "full_name"),
        bio=text(record, "bio"),
        website=text(record, "website"),
        password_hash=None if stored == NO_PASSWORD else stored,
        password=text(record, "password"),
        role=text(record, "role"),
        is_active=_STATUS[status],
        is_email_verified=truth(record, "email_verified", default=verified_at is not None),
        email_verified_at=verified_at,
        created_at=moment(record, "created_at"),
    )


def understand_cells(record: Mapping[str, Any]) -> Newcomer:
    """The same from cells of a table, in which an export has marked what a spreadsheet would take for a formula."""
    return understand({name: value if name in _UNMARKED else plain_cell(value) for name, value in record.items()})
