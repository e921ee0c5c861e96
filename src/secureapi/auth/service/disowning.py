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
from secureapi.auth.service.requested_mail import RequestedMail
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.requests import Client
from secureapi.security.links import Link, OneTimeLinks, Purpose
from secureapi.security.trail import Trail
from secureapi.users import events as user_events
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
        callers: Callers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._links = links
        self._followed = followed
        self._recipients = recipients
        self._requested_mail = requested_mail
        self._hash_of = requested_mail.hash_of
        self._callers = callers

    def disown(self, *, token: str, client: Client) -> None:
        """End every session, refuse the password from now on, and send a link for another one to the address of this link.

        If the account has another address by now, it gets this one back; if somebody else has it, none is left to it. A disabled
        account is told nothing. When this returns, no token of the account is accepted anywhere. Raises `LinkRefused`.
        """
        now = self._clock.now()
        with self._followed.remembered(Purpose.NOT_ME, client), self._database.transaction(client) as session:
            link, user = self._followed.take(session, Purpose.NOT_ME, token)
            ended = SessionRepository(session).end_all_of(user.id, reason="disowned", now=now)
            # Whoever was in there may have made one, which would outlive the password that he knew.
            keys = ApiKeyRepository(session).revoke_all_of(user.id, reason="disowned", now=now)
            user.password_refused_since = user.devices_since = user.updated_at = now
            user.pending_email = None
            # Whoever was in there may have asked for these himself.
            self._links.withdraw(session, user.id, Purpose.RESET_PASSWORD, Purpose.CONFIRM_EMAIL, Purpose.UNLOCK)
            sealed_to: str = link.details["sealed_to"]
            self._give_back(session, user, link, self._recipients.unseal(sealed_to) or user.email, client)
            told: dict[str, Any] = {"ended": ended} | ({"keys": keys} if keys else {})
            self._trail.record(session, events.DISOWNED, client=client, subject_id=user.id, **told)
            if user.is_active:
                self._requested_mail.send_reset(session, user, sealed_to=sealed_to)
        self._callers.user_changed(user.id)

    def _give_back(self, session: Session, user: User, link: Link, address: str, client: Client) -> None:
        """The account gets the address that the link was sent to. Links that were sent elsewhere later are worth nothing then.

        Not the earlier ones: a thief who has put two addresses of his own in the place of the owner's, one after the other, must not be
        able to shut out the owner with the first of them.
        """
        wanted = self._hash_of(address)
        if wanted == self._hash_of(user.email):
            return
        later = [other.id for other in self._links.list_open(session, user.id, Purpose.NOT_ME) if self._is_later(other, link, wanted)]
        self._links.close(session, later)
        try:
            with session.begin_nested():
                user.email, user.email_canonical, user.email_verified_at = address, canonical_email(address), self._clock.now()
                session.flush()
        except IntegrityError:
            # Somebody else has it by now, perhaps the thief with another account. The account must not be left with the thief's address
            # either, where he could ask for a new password: it has none until its owner gives it one. The name cannot exist (RFC 6761).
            user.email = user.email_canonical = f"{user.id}@no-address.invalid"
            user.email_verified_at = None
            self._trail.record(session, user_events.EMAIL_NOT_RESTORED, client=client, subject_id=user.id)
        else:
            self._trail.record(session, user_events.EMAIL_RESTORED, client=client, subject_id=user.id)

    def _is_later(self, other: Link, link: Link, wanted: str) -> bool:
        address = self._recipients.unseal(other.details["sealed_to"]) or ""
        return other.created_at >= link.created_at and self._hash_of(address) != wanted
