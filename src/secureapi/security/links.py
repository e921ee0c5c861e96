"""Links in messages: whoever follows one proves that he reads mail at an address, once, for one purpose.

A link is a row with an id, and its token is that id with a keyed hash behind it (HMAC-SHA256). The row says what is still open; the key
says what is ours. Nothing in the database, nor in the outbox, is enough to make a token, and one that was made up is refused before
the database is asked. The token stands behind the # of the address (RFC 3986 section 3.5): it reaches neither the logs of a server
nor the Referer of the next page, and a program that opens every link of a message to look at it uses none of them up.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.orm import Session

from secureapi.core.clock import Clock
from secureapi.core.database import table_of
from secureapi.core.identifiers import timeless_id
from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import LinkRefused
from secureapi.security.models import OneTimeLink
from secureapi.settings import Settings

_T = table_of(OneTimeLink).c
_KEY = "one-time-link"
_ID_BYTES = 16
_TAG_BYTES = 24
_SWEPT_AT_ONCE = 20
_LEFT = timedelta(days=1)
"""How long a row is kept after its end."""


class Purpose(StrEnum):
    """What a link is for; also the last part of the address of the page that it leads to."""

    INVITATION = "invitation"
    VERIFY_EMAIL = "verify-email"
    CONFIRM_EMAIL = "confirm-email"
    RESET_PASSWORD = "reset-password"  # noqa: S105 - the name of a page
    UNLOCK = "unlock"
    NOT_ME = "not-me"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was followed."""

    id: str
    user_id: str | None
    details: dict[str, Any]
    created_at: datetime


class OneTimeLinks:
    """Makes links and takes their tokens back. It never commits."""

    def __init__(self, *, settings: Settings, clock: Clock, secret_box: SecretBox) -> None:
        self._pages = (settings.account_pages_url or f"{settings.public_url}/account").rstrip("/")
        self._clock = clock
        self._secrets = secret_box

    def issue(self, session: Session | Connection, purpose: Purpose, *, user_id: str | None, lifetime: timedelta, **details: Any) -> str:
        """Open a link. Its id, for the note of a message. `details` are JSON values; addresses among them are sealed."""
        now, link_id = self._clock.now(), timeless_id()
        connection = _connection(session)
        self._sweep(connection, now)
        connection.execute(
            insert(table_of(OneTimeLink)).values(
                id=link_id, purpose=purpose.value, user_id=user_id, details=details, created_at=now, expires_at=now + lifetime
            )
        )
        return link_id

    def url(self, purpose: str, link_id: str) -> str:
        """The address that a message shows. The same for the same link, however often the message is written."""
        return f"{self._pages}/{purpose}#{self.token(Purpose(purpose), link_id)}"

    def token(self, purpose: Purpose, link_id: str) -> str:
        """What whoever follows a link presents: 54 characters of base64url."""
        raw = UUID(link_id).bytes
        return base64.urlsafe_b64encode(raw + self._tag(purpose, raw)).rstrip(b"=").decode()

    def look_at(self, session: Session | Connection, purpose: Purpose, token: str) -> Link:
        """A link that is open, which stays open. Raises `LinkRefused` alike for one that is over, was used, or never was."""
        link_id = self._id_in(purpose, token)
        wanted = select(_T.id, _T.user_id, _T.details, _T.created_at).where(self._is_open(purpose, link_id))
        row = _connection(session).execute(wanted).one_or_none()
        if row is None:
            raise LinkRefused
        return Link(*row)

    def take(self, session: Session | Connection, purpose: Purpose, token: str) -> Link:
        """Use a link up: of any number of requests with the same token, one gets it. Raises `LinkRefused`."""
        link_id = self._id_in(purpose, token)
        used = update(table_of(OneTimeLink)).where(self._is_open(purpose, link_id)).values(used_at=self._clock.now())
        row = _connection(session).execute(used.returning(_T.id, _T.user_id, _T.details, _T.created_at)).one_or_none()
        if row is None:
            raise LinkRefused
        return Link(*row)

    def withdraw(self, session: Session | Connection, user_id: str, *purposes: Purpose) -> None:
        """Close every open link of an account for these purposes."""
        theirs = (_T.user_id == user_id) & _T.purpose.in_([p.value for p in purposes]) & _T.used_at.is_(None)
        _connection(session).execute(update(table_of(OneTimeLink)).where(theirs).values(used_at=self._clock.now()))

    def withdraw_later(self, session: Session | Connection, user_id: str, purpose: Purpose, *, number: int, address: str) -> None:
        """Close the open links of an account that have a higher `number` in their details, and another `address`.

        One statement, however many there are: a thief can have had thousands of them made.
        """
        theirs = (_T.user_id == user_id) & (_T.purpose == purpose.value) & _T.used_at.is_(None)
        is_later = (_T.details["number"].as_integer() > number) & (_T.details["address"].as_string() != address)
        _connection(session).execute(update(table_of(OneTimeLink)).where(theirs & is_later).values(used_at=self._clock.now()))

    def has_open(self, session: Session | Connection, user_id: str, purpose: Purpose) -> bool:
        """Whether an account has an open link for this purpose."""
        is_open = _T.used_at.is_(None) & (_T.expires_at > self._clock.now())
        theirs = select(_T.id).where(_T.user_id == user_id, _T.purpose == purpose.value, is_open).limit(1)
        return _connection(session).execute(theirs).first() is not None

    def _is_open(self, purpose: Purpose, link_id: str) -> Any:
        return (_T.id == link_id) & (_T.purpose == purpose.value) & _T.used_at.is_(None) & (_T.expires_at > self._clock.now())

    def _id_in(self, purpose: Purpose, token: str) -> str:
        try:
            data = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (UnicodeError, binascii.Error, ValueError):
            raise LinkRefused from None
        raw, tag = data[:_ID_BYTES], data[_ID_BYTES:]
        # Spelled back, too: base64 has several spellings of the same bytes, and characters that it passes over.
        if len(raw) != _ID_BYTES or not hmac.compare_digest(tag, self._tag(purpose, raw)):
            raise LinkRefused
        link_id = str(UUID(bytes=raw))
        if not hmac.compare_digest(token, self.token(purpose, link_id)):
            raise LinkRefused
        return link_id

    def _tag(self, purpose: Purpose, raw_id: bytes) -> bytes:
        return self._secrets.tag(_KEY, purpose.value.encode() + b"\0" + raw_id)[:_TAG_BYTES]

    def _sweep(self, connection: Connection, now: datetime) -> None:
        """Remove some that are over. Called by whoever adds one, so that the table cannot grow without bound."""
        over = select(_T.id).where(_T.expires_at <= now - _LEFT).limit(_SWEPT_AT_ONCE).with_for_update(skip_locked=True)
        connection.execute(delete(table_of(OneTimeLink)).where(_T.id.in_(over)))


def _connection(session: Session | Connection) -> Connection:
    return session.connection() if isinstance(session, Session) else session
