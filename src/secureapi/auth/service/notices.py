"""Telling the owner of an account what happened to it.

A use case leaves a note in its own transaction, one row and no more, and the worker makes a message of it: so no request takes longer
because there is an account to tell about, and a message that cannot be written holds up nobody who signs in.

Each message has a link "this was not me" (`not_me`), which ends all sessions and asks for a new password.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.core.clock import rfc3339
from secureapi.core.delivery import Handler
from secureapi.core.outbox import Note, Outbox
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.security.trail import Trail
from secureapi.settings import Settings
from secureapi.users.errors import NoSuchUser
from secureapi.users.repository import UserRepository


@dataclass(frozen=True, slots=True)
class Notice:
    """One kind of message to the owner of an account."""

    message: str
    """The topic of the message, which names its templates."""
    links: Mapping[str, Purpose]
    """What the templates call each link, and what it is for."""
    is_bounded: bool = False
    """Whether strangers can cause it: then only so many go out. What only the owner, or a thief, can cause always does: a thief must not
    be able to use up what would tell of him.
    """


_NOT_ME = {"not_me": Purpose.NOT_ME}

NOTICES: Mapping[str, Notice] = {
    "notice.refresh_reused": Notice("mail.refresh_reused", _NOT_ME),
    "notice.new_device": Notice("mail.new_device", _NOT_ME),
    "notice.password_changed": Notice("mail.password_changed", _NOT_ME),
    "notice.locked": Notice("mail.locked", _NOT_ME | {"unlock": Purpose.UNLOCK}, is_bounded=True),
    "notice.guesses": Notice("mail.guesses", _NOT_ME),
}
"""By the topic of the note that a use case leaves."""


class Notices:
    """Makes messages of notes, in the transaction of whoever delivers."""

    def __init__(self, *, settings: Settings, outbox: Outbox, links: OneTimeLinks, budget: Attempts, trail: Trail) -> None:
        self._lifetime = timedelta(days=settings.notice_link_days)
        self._outbox = outbox
        self._links = links
        self._budget = budget
        self._trail = trail

    @property
    def handlers(self) -> dict[str, Handler]:
        """Who does what, for `Delivery`."""
        return dict.fromkeys(NOTICES, self.write)

    def write(self, session: Session, note: Note) -> None:
        """Note the message, with fresh links. Nothing when the account is gone, or was told often enough."""
        notice = NOTICES[note.topic]
        try:
            user = UserRepository(session).get(note.user_id or "")
        except NoSuchUser:
            return
        if notice.is_bounded and not self._budget.reserve(session, f"{notice.message}:{user.id}").is_allowed:
            client = Client("", "outbox", note.id)
            self._trail.record(session, events.MAIL_WITHHELD, client=client, subject_id=user.id, topic=notice.message)
            return
        # Whoever reads at the former address may have the account back there: see Recovery.
        former = {"former_email": note.details["sealed_to"]} if "sealed_to" in note.details else {}
        links = {
            name: (purpose.value, self._links.issue(session, purpose, user_id=user.id, lifetime=self._lifetime, **former))
            for name, purpose in notice.links.items()
        }
        self._outbox.add(session, notice.message, user_id=user.id, **note.details, links=links, happened_at=rfc3339(note.created_at))
