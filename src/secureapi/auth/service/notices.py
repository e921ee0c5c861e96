"""Telling the owner of an account what happened to it.

A use case leaves a note in its own transaction, one row and no more, and the worker makes a message of it: so no request takes longer
because there is an account to tell about, and a message that cannot be written holds up nobody who signs in.

Each message has a link "this was not me" (`not_me`), which ends all sessions and asks for a new password: see `disowning.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from secureapi.auth.recipients import Recipients
from secureapi.auth.service.mail_budget import MailBudget
from secureapi.core.clock import rfc3339
from secureapi.core.delivery import Handler
from secureapi.core.outbox import Note, Outbox
from secureapi.security.links import OneTimeLinks, Purpose
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
    "notice.password_reset": Notice("mail.password_reset", _NOT_ME),
    "notice.email_change": Notice("mail.email_change", _NOT_ME),
    "notice.email_changed": Notice("mail.email_changed", _NOT_ME),
    "notice.locked": Notice("mail.locked", _NOT_ME | {"unlock": Purpose.UNLOCK}, is_bounded=True),
    "notice.guesses": Notice("mail.guesses", _NOT_ME),
    "notice.api_key_created": Notice("mail.api_key_created", _NOT_ME),
    "notice.api_key_leaked": Notice("mail.api_key_leaked", _NOT_ME),
}
"""By the topic of the note that a use case leaves."""


class Notices:
    """Makes messages of notes, in the transaction of whoever delivers."""

    def __init__(self, *, settings: Settings, outbox: Outbox, links: OneTimeLinks, recipients: Recipients, budget: MailBudget) -> None:
        self._lifetime = timedelta(days=settings.notice_link_days)
        self._outbox = outbox
        self._links = links
        self._recipients = recipients
        self._budget = budget

    @property
    def handlers(self) -> dict[str, Handler]:
        """Who does what, for `Delivery`."""
        return dict.fromkeys(NOTICES, self.write)

    def write(self, session: Session, note: Note) -> None:
        """Note the message, with fresh links. Nothing when the account is gone, or was told often enough.

        It goes to the address that the note has, as `sealed_to`, or to the one that the account has now: not to the one that a thief
        may put in its place before a slow mail server has taken it.
        """
        notice = NOTICES[note.topic]
        try:
            user = UserRepository(session).get(note.user_id or "")
        except NoSuchUser:
            return
        if notice.is_bounded and not self._budget.allows(session, note, topic=notice.message, whom=user.id, user_id=user.id):
            return
        sealed_to = note.details.get("sealed_to") or self._recipients.seal(user.email)
        # A link remembers whom it was sent to: should the account have another address by the time it is followed, this one comes back.
        links = {
            name: (purpose.value, self._links.issue(session, purpose, user_id=user.id, lifetime=self._lifetime, sealed_to=sealed_to))
            for name, purpose in notice.links.items()
        }
        details = note.details | {"sealed_to": sealed_to, "links": links, "happened_at": rfc3339(note.created_at)}
        self._outbox.add(session, notice.message, user_id=user.id, **details)
