"""Who sees what of an account: the least that each needs, as one table. Every answer with somebody's account is made from it."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from secureapi.core.masking import masked_email
from secureapi.security.identity import Identity
from secureapi.security.permissions import Permission


class Viewer(StrEnum):
    """As what somebody looks at an account."""

    ITSELF = "itself"
    """Its owner."""
    READER = "reader"
    """Somebody with `users:read`: moderators."""
    ADMINISTRATOR = "administrator"
    """Somebody with `users:read` and `admin:read`."""
    WRITER = "writer"
    """Somebody without `users:read`, who has made or changed an account all the same."""


_ALL = frozenset({Viewer.ITSELF, Viewer.READER, Viewer.ADMINISTRATOR})
_WHICH = _ALL | {Viewer.WRITER}
_ADMINISTRATORS = frozenset({Viewer.ADMINISTRATOR})

VISIBLE: Mapping[str, frozenset[Viewer]] = {
    "id": _WHICH,
    "username": _WHICH,
    "email": _ALL,  # masked for readers
    "full_name": _ALL,
    "bio": _ALL,
    "website": _ALL,
    "role": _ALL,
    "is_active": _ALL,
    "is_email_verified": _ALL,
    "created_at": _ALL,
    "updated_at": _ALL,
    "pending_email": frozenset({Viewer.ITSELF}),
    "status": _ADMINISTRATORS,
    "locked_at": _ADMINISTRATORS,
    "locked_until": _ADMINISTRATORS,
    "lock_reason": _ADMINISTRATORS,
    "invited_at": _ADMINISTRATORS,
    "password_changed_at": _ADMINISTRATORS,
    "must_change_password": _ADMINISTRATORS,
}
MASKED: Mapping[str, frozenset[Viewer]] = {"email": frozenset({Viewer.READER})}
"""What somebody sees only the outline of."""


def viewer(caller: Identity, user_id: str | None = None) -> Viewer:
    """As what a caller looks at an account, or at a list of them."""
    if user_id == caller.user_id and caller.may(Permission.SELF_READ):
        return Viewer.ITSELF
    if not caller.may(Permission.USERS_READ):
        return Viewer.WRITER
    return Viewer.ADMINISTRATOR if caller.may(Permission.ADMIN_READ) else Viewer.READER


def finds_by_address(by: Viewer) -> bool:
    """Whether a list may be searched by addresses: otherwise an outline could be filled in letter by letter."""
    return by not in MASKED["email"]


def finds_by_status(by: Viewer) -> bool:
    """Whether a list may be narrowed by what `status` says, and not only by what `is_active` does."""
    return by in VISIBLE["status"]


def as_seen(person: Any, by: Viewer, *, told: Collection[str] = ()) -> dict[str, Any]:
    """What this viewer sees of a row of an account. A writer sees what he has just `told` himself as well, and no more."""
    known = told if by is Viewer.WRITER else ()
    shown = [field for field, viewers in VISIBLE.items() if by in viewers or field in known]
    seen = {field: getattr(person, field) for field in shown if hasattr(person, field)}
    return seen | {field: masked_email(seen[field]) for field, viewers in MASKED.items() if by in viewers and field in seen}
