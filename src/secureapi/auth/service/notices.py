"""Telling the owner of an account what happened to it.

A use case leaves a note in its own transaction, one row and no more, and the worker makes a message of it: so no request takes longer
because there is an account to tell about, and a message that cannot be written holds up nobody who signs in.

Almost every message has a link "this was not me" (`not_me`), which ends all sessions and asks for a new password: see `disowning.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from secureapi.auth.recipients import Recipients
from secureapi.auth.service.mail_budget import MailBudget
from secureapi.core.clock import rfc3339
from secureapi.core.delivery import Handler
from secureapi.core.outbox import Note, Outbox
from secureapi.core.secret_values import SecretBox
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.settings import Settings
from secureapi.users.errors import NoSuchUser
from secureapi.users.mailboxes import is_no_address, mailbox_hash
from secureapi.users.models import User
from secureapi.users.repository import UserRepository


@dataclass(frozen=True, slots=True)
class Notice:
    """One kind of message to the owner of an account."""

    message: str
    """The topic of the message, which names its templates."""
    links: Mapping[str, Purpose]
    """What the templates call each link, and what it is for."""
    is_bounded: bool = False
    """Whether strangers can cause it: then only so many go out. What only the owner, or a thief, can cause does as often as anybody can
    bear it: a thief must not be able to use up what would tell of him. An account whose address nobody has confirmed may be a
    stranger's altogether: all of these together are bounded.
    """


_NOT_ME = {"not_me": Purpose.NOT_ME}

NOTICES: Mapping[str, Notice] = {
    "notice.refresh_reused": Notice("mail.refresh_reused", _NOT_ME),
    "notice.new_device": Notice("mail.new_device", _NOT_ME),
    "notice.password_changed": Notice("mail.password_changed", _NOT_ME),
    "notice.password_reset": Notice("mail.password_reset", _NOT_ME),
    "notice.email_change": Notice("mail.email_change", _NOT_ME),
    "notice.email_changed": Notice("mail.email_changed", _NOT_ME),
    "notice.email_returned": Notice("mail.email_returned", {}),
    "notice.address_taken": Notice("mail.address_taken", {}),
    "notice.address_given": Notice("mail.address_given", {}),
    "notice.locked": Notice("mail.locked", _NOT_ME | {"unlock": Purpose.UNLOCK}, is_bounded=True),
    "notice.guesses": Notice("mail.guesses", _NOT_ME),
    "notice.api_key_created": Notice("mail.api_key_created", _NOT_ME),
    "notice.api_key_leaked": Notice("mail.api_key_leaked", _NOT_ME),
}
"""By the topic of the note that a use case leaves."""


class Notices:
    """Makes messages of notes, in the transaction of whoever delivers."""

    def __init__(
        self,
        *,
        settings: Settings,
        outbox: Outbox,
        links: OneTimeLinks,
        recipients: Recipients,
        secret_box: SecretBox,
        budget: MailBudget,
    ) -> None:
        self._lifetime = timedelta(days=settings.notice_link_days)
        self._outbox = outbox
        self._links = links
        self._recipients = recipients
        self._secrets = secret_box
        self._budget = budget

    @property
    def handlers(self) -> dict[str, Handler]:
        """Who does what, for `Delivery`."""
        return dict.fromkeys(NOTICES, self.write)

    def leave(self, session: Session, topic: str, user: User, **details: Any) -> None:
        """Leave a note for whoever reads at the address that the account has now, which is about to get another one. Its row is locked.

        Its links are made here and not when it is handled: by then they could not be withdrawn with the others any more.
        """
        sealed_to, links = self._addressed(session, NOTICES[topic], user)
        details |= {"sealed_to": sealed_to, "links": links, "is_verified": user.is_email_verified}
        self._outbox.add(session, topic, user_id=user.id, **details)

    def write(self, session: Session, note: Note) -> None:
        """Note the message, with fresh links where the note has none. Nothing when the account is gone, or was told often enough.

        It goes to the address that the note has, as `sealed_to`, or to the one that the account has now: not to the one that a thief
        may put in its place before a slow mail server has taken it. The account is locked: otherwise its owner could throw the thief
        out, and with him all of his links, while one more is being made.
        """
        notice = NOTICES[note.topic]
        try:
            user = UserRepository(session).get(note.user_id or "", lock=True)
        except NoSuchUser:
            return
        details = dict(note.details)
        is_verified = details.pop("is_verified", user.is_email_verified)
        address = user.email
        if "sealed_to" in details:
            address = self._recipients.unseal(details["sealed_to"]) or ""
        if is_no_address(address) or not self._may_tell(session, note, user, address, is_verified=is_verified):
            return
        if "sealed_to" not in details:
            details["sealed_to"], details["links"] = self._addressed(session, notice, user)
        self._outbox.add(session, notice.message, user_id=user.id, **details | {"happened_at": rfc3339(note.created_at)})

    def _may_tell(self, session: Session, note: Note, user: User, address: str, *, is_verified: bool) -> bool:
        notice = NOTICES[note.topic]
        topic = notice.message
        if notice.is_bounded:
            # By itself, also where everything else is counted together: strangers must not use up what tells of a thief.
            whom = user.id if is_verified else self._budget.recipient(address)
            return self._budget.allows(session, note, topic=topic, whom=whom, user_id=user.id)
        if not is_verified:
            return self._budget.allows_unconfirmed(session, note, topic=topic, user=user, address=address)
        return self._budget.allows_many(session, note, topic=topic, user=user)

    def _addressed(self, session: Session, notice: Notice, user: User) -> tuple[str, dict[str, tuple[str, str]]]:
        """The account's address, sealed, and links that are sent there.

        They remember whom they were sent to, and which address of the account that was: should it have another one by the time one is
        followed, this one comes back.
        """
        sealed_to = self._recipients.seal(user.email)
        sent_to = {"sealed_to": sealed_to, "address": mailbox_hash(self._secrets, user.email), "number": user.email_number}
        links = {
            name: (purpose.value, self._links.issue(session, purpose, user_id=user.id, lifetime=self._lifetime, **sent_to))
            for name, purpose in notice.links.items()
        }
        return sealed_to, links
