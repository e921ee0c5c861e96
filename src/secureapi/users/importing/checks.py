"""What becomes of a newcomer: an account as it may be inserted, or every fault of his. The rules are those of registration."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from secureapi.core.errors import Fault, Invalid
from secureapi.core.schemas import LINE, LINES
from secureapi.users.errors import GrantRefused
from secureapi.users.importing.newcomer import Newcomer
from secureapi.users.models import Status
from secureapi.users.rules import (
    BIO_LENGTH,
    EMAIL_LENGTH,
    NO_PASSWORD,
    USERNAME_PATTERN,
    WEBSITE_LENGTH,
    WEBSITE_PATTERN,
    canonical_email,
    is_reserved,
)

_HASH_LENGTH = 255
_NAME_LENGTH = 100
_FIRST = datetime(1990, 1, 1, tzinfo=UTC)
_SKEW = timedelta(days=1)
"""How far the clock of the source may be ahead."""
_USERNAME = re.compile(USERNAME_PATTERN)
_LINE, _LINES, _WEBSITE = re.compile(LINE), re.compile(LINES), re.compile(WEBSITE_PATTERN)
_MOST_PASSWORD = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What whoever started the import has allowed."""

    role: str
    """For everybody, unless the source may say otherwise."""
    roles: frozenset[str]
    """Those that there are."""
    grantable: frozenset[str] | None = None
    """Those that whoever started it may give to somebody; None for all of them."""
    is_role_taken: bool = False
    """Whether the source's own word on roles counts."""
    may_lack_password: bool = False
    """Whether people come without a password that can be used. Otherwise they are refused."""
    hashes_plaintext: bool = False
    replaces_usernames: bool = False
    """Whether somebody whose username is not to be had here gets another one. Otherwise he is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An account that may be opened, as far as can be known without the database."""

    username: str | None
    """None where one is to be made."""
    email: str
    email_canonical: str
    full_name: str | None
    bio: str | None
    website: str | None
    password_hash: str = field(repr=False)
    password: str | None = field(repr=False)
    """To be hashed, where there is no hash."""
    role: str
    status: str
    email_verified_at: datetime | None
    created_at: datetime
    source_id: str | None


def check(newcomer: Newcomer, rules: Rules, *, now: datetime, is_readable: Callable[[str], bool]) -> Accepted:
    """Look at everything, and raise `Invalid` with all that is wrong. `is_readable` says whether a hash can fit any password here."""
    faults: list[Fault] = []
    email_canonical = _email(newcomer, faults)
    username = _username(newcomer, rules, faults)
    role = _role(newcomer, rules, faults)
    password_hash = _password_hash(newcomer, rules, faults, is_readable)
    faults += _profile(newcomer)
    for name, moment in (("created_at", newcomer.created_at), ("email_verified_at", newcomer.email_verified_at)):
        if moment is not None and not _FIRST <= moment <= now + _SKEW:
            faults.append(Fault(f"/{name}", "moment", "This moment lies before 1990 or after now."))
    if faults:
        raise Invalid(faults=faults)
    created_at = min(newcomer.created_at or now, now)
    return Accepted(
        username=username,
        email=newcomer.email or "",
        email_canonical=email_canonical,
        full_name=newcomer.full_name,
        bio=newcomer.bio,
        website=newcomer.website,
        password_hash=password_hash,
        password=newcomer.password if rules.hashes_plaintext and password_hash == NO_PASSWORD else None,
        role=role,
        status=(Status.ACTIVE if newcomer.is_active else Status.DISABLED).value,
        email_verified_at=min(newcomer.email_verified_at or now, now) if newcomer.is_email_verified else None,
        created_at=created_at,
        source_id=newcomer.source_id,
    )


def _profile(newcomer: Newcomer) -> Iterator[Fault]:
    """What is wrong with what people say of themselves."""
    name, bio, website = newcomer.full_name, newcomer.bio, newcomer.website
    if name is not None and not (len(name) <= _NAME_LENGTH and _LINE.fullmatch(name)):
        yield Fault("/full_name", "invalid", f"A name is one line of at most {_NAME_LENGTH} characters.")
    if bio is not None and not (len(bio) <= BIO_LENGTH and _LINES.fullmatch(bio)):
        yield Fault("/bio", "invalid", f"This is text of at most {BIO_LENGTH} characters, without control characters.")
    if website is not None and not (len(website) <= WEBSITE_LENGTH and _WEBSITE.fullmatch(website)):
        yield Fault("/website", "invalid", f"A website begins with http:// or https:// and has at most {WEBSITE_LENGTH} characters.")


def _email(newcomer: Newcomer, faults: list[Fault]) -> str:
    if newcomer.email is None:
        faults.append(Fault("/email", "required", "There is no address."))
        return ""
    try:
        if len(newcomer.email) <= EMAIL_LENGTH:
            return canonical_email(newcomer.email)
    except ValueError:
        pass
    faults.append(Fault("/email", "email", "This is not an email address."))
    return ""


def _username(newcomer: Newcomer, rules: Rules, faults: list[Fault]) -> str | None:
    name = newcomer.username
    if name is None:
        return None
    if _USERNAME.fullmatch(name) and not is_reserved(name):
        return name
    if rules.replaces_usernames:
        return None
    if is_reserved(name):
        faults.append(Fault("/username", "reserved", "This username is reserved."))
    else:
        faults.append(Fault("/username", "username", "A username has 3 to 50 letters, digits, hyphens and underscores."))
    return None


def _role(newcomer: Newcomer, rules: Rules, faults: list[Fault]) -> str:
    if not rules.is_role_taken or newcomer.role is None:
        return rules.role
    if newcomer.role not in rules.roles:
        faults.append(Fault("/role", "unknown_role", "There is no such role here."))
    elif rules.grantable is not None and newcomer.role not in rules.grantable:
        faults.append(Fault("/role", GrantRefused.code, GrantRefused.detail))
    return newcomer.role


def _password_hash(newcomer: Newcomer, rules: Rules, faults: list[Fault], is_readable: Callable[[str], bool]) -> str:
    """The hash to store. A hash that nobody here can read is refused rather than kept: it would be a password that is never right."""
    stored = newcomer.password_hash
    if stored is not None and len(stored) <= _HASH_LENGTH and is_readable(stored):
        return stored
    if stored is None and newcomer.password is not None:
        if not rules.hashes_plaintext:
            faults.append(Fault("/password", "plaintext", "A password in plain text is taken with `--hash-plaintext` only."))
        elif len(newcomer.password) > _MOST_PASSWORD:
            faults.append(Fault("/password", "too_long", f"A password has at most {_MOST_PASSWORD} characters."))
    elif not rules.may_lack_password:
        if stored is None:
            faults.append(
                Fault("/password_hash", "no_password", "There is no password. With `without_password` the account opens all the same.")
            )
        else:
            detail = "This hash is of no kind that is read here, or costs too much. With `without_password` the account opens without it."
            faults.append(Fault("/password_hash", "unknown_hash", detail))
    return NO_PASSWORD
