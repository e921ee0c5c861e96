"""The link that says `this was not me`: the owner of an account tells us that somebody else is in it.

Every message about an account has such a link. It throws everybody out, the owner too, and the password is worth nothing until there
is another one: whoever is in there knows it.
"""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.recipients import Recipients
from secureapi.auth.repository import ApiKeyRepository, SessionRepository
from secureapi.auth.service.followed_links import FollowedLinks
from secureapi.auth.service.notices import Notices
from secureapi.auth.service.requested_mail import RequestedMail
from secureapi.auth.service.unconfirmed_holders import displace_unconfirmed
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.links import Link, OneTimeLinks, Purpose
from secureapi.security.trail import Trail
from secureapi.users import events as user_events
from secureapi.users.mailboxes import is_no_address, mailbox, no_address
from secureapi.users.models import User
from secureapi.users.rules import canonical_email


class Disowning:
    """For those who get a message about something that they have not done."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        trail: Trail,
        links: OneTimeLinks,
        followed: FollowedLinks,
        recipients: Recipients,
        requested_mail: RequestedMail,
        notices: Notices,
        callers: Callers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._links = links
        self._followed = followed
        self._recipients = recipients
        self._requested_mail = requested_mail
        self._notices = notices
        self._callers = callers

    def disown(self, *, token: str, client: Client) -> None:
        """End every session, refuse the password from now on, and send a link for another one to the address of this link.

        If the account has another address by now, it gets this one back; if somebody else has it, none is left to it. A disabled
        account is told nothing. When this returns, no token of the account is accepted anywhere. Raises `LinkRefused`.
        """
        now = self._clock.now()
        with self._followed.remembered(Purpose.NOT_ME, client), self._database.transaction(client) as session:
            link, user = self._followed.take(session, Purpose.NOT_ME, token, wanted=self._address_of)
            ended = SessionRepository(session).end_all_of(user.id, reason="disowned", now=now)
            # Whoever was in there may have made one, which would outlive the password that he knew.
            keys = ApiKeyRepository(session).revoke_all_of(user.id, reason="disowned", now=now)
            user.password_refused_since = user.devices_since = user.updated_at = now
            user.pending_email = None
            # Whoever was in there may have asked for these himself.
            self._links.withdraw(session, user.id, Purpose.RESET_PASSWORD, Purpose.CONFIRM_EMAIL, Purpose.UNLOCK)
            sealed_to: str = link.details["sealed_to"]
            self._give_back(session, user, link, client)
            told: dict[str, Any] = {"ended": ended} | ({"keys": keys} if keys else {})
            self._trail.record(session, events.DISOWNED, client=client, subject_id=user.id, **told)
            if user.is_active_at(now):
                self._requested_mail.send_reset(session, user, sealed_to=sealed_to)
        self._callers.user_changed(user.id)

    def _address_of(self, link: Link, _user: User) -> str | None:
        """The address that a link was sent to, unless nobody can read that any more."""
        address = self._recipients.unseal(link.details["sealed_to"])
        return None if address is None or is_no_address(address) else address

    def _give_back(self, session: Session, user: User, link: Link, client: Client) -> None:
        """The account gets the address that the link was sent to. Links that were sent elsewhere later are worth nothing then.

        Not the earlier ones: a thief who has put two addresses of his own in the place of the owner's, one after the other, must not be
        able to shut out the owner with the first of them. Earlier and later are said by the numbers of the addresses, not by the
        moments at which messages were written: a thief can have one to himself written first, and clocks of hosts differ.
        """
        self._links.withdraw_later(session, user.id, Purpose.NOT_ME, number=link.details["number"], address=link.details["address"])
        address = self._address_of(link, user) or user.email
        if mailbox(address) == mailbox(user.email):
            return
        if user.is_active_at(self._clock.now()) and user.is_email_verified:
            self._notices.leave(session, "notice.email_returned", user)
        try:
            with session.begin_nested():
                displace_unconfirmed(session, user, address, is_patient=True, links=self._links, trail=self._trail, client=client)
                user.move_to(address, canonical=canonical_email(address), verified_at=self._clock.now())
                session.flush()
        except IntegrityError:
            # Somebody else has it by now, and has confirmed it. The account must not be left with the thief's address
            # either, where he could ask for a new password: it has none until its owner gives it one. The name cannot exist (RFC 6761).
            nowhere = no_address(user.id)
            user.move_to(nowhere, canonical=nowhere, verified_at=None)
            self._trail.record(session, user_events.EMAIL_NOT_RESTORED, client=client, subject_id=user.id)
        else:
            self._trail.record(session, user_events.EMAIL_RESTORED, client=client, subject_id=user.id)
