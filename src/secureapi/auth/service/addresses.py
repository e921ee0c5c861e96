"""Showing that one reads mail at an address: the one that an account has, and the one that it shall have."""

from sqlalchemy.exc import IntegrityError

from secureapi.auth import events
from secureapi.auth.recipients import Recipients
from secureapi.auth.service.followed_links import FollowedLinks
from secureapi.auth.service.notices import Notices
from secureapi.auth.service.requested_mail import RequestedMail
from secureapi.auth.service.unconfirmed_holders import displace_unconfirmed
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.errors import LinkRefused
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.security.trail import Trail
from secureapi.users import events as user_events
from secureapi.users.errors import ProfileRefused, RegistrationRefused
from secureapi.users.names import canonical_or_refused
from secureapi.users.rules import canonical_email
from secureapi.users.service import Registration
from secureapi.users.service.registration import VERIFICATION


class Addresses:
    """Confirms addresses."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        secret_box: SecretBox,
        links: OneTimeLinks,
        followed: FollowedLinks,
        recipients: Recipients,
        requested_mail: RequestedMail,
        notices: Notices,
        registration: Registration,
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._secrets = secret_box
        self._links = links
        self._followed = followed
        self._recipients = recipients
        self._is_meant = requested_mail.is_meant
        self._hash_of = requested_mail.hash_of
        self._notices = notices
        self._registration = registration

    def ask_again(self, *, email: str, client: Client) -> None:
        """Have the link that confirms this address sent once more, if anybody waits for one. Raises `Invalid` for what is no address.

        The same work for every address: nobody looks here whether there is an account with it.
        """
        typed = canonical_or_refused(email)
        with self._database.transaction(client) as session:
            login = self._secrets.fingerprint("login", typed)
            self._trail.record(session, events.VERIFICATION_REQUESTED, client=client, login=login)
            self._outbox.add_spread(session, VERIFICATION, user_id=None, typed=self._recipients.seal(typed))

    def verify(self, *, token: str, client: Client) -> None:
        """Take a link for the address that an account was opened with, or is waiting to be.

        Raises `LinkRefused`, `RegistrationClosed`, and `RegistrationRefused` when the name or the address of somebody who waited was
        taken meanwhile; his link is used up then.
        """
        with self._followed.remembered(Purpose.VERIFY_EMAIL, client):
            with self._database.transaction(client) as session:
                link = self._links.look_at(session, Purpose.VERIFY_EMAIL, token)
            if "registration_id" in link.details:
                self._open_account(token, link.details["registration_id"], client)
            else:
                self._mark_verified(token, client)

    def _open_account(self, token: str, registration_id: str, client: Client) -> None:
        refusal = None
        with self._database.transaction(client) as session:
            self._links.take(session, Purpose.VERIFY_EMAIL, token)
            try:
                self._registration.confirm(session, registration_id=registration_id, client=client)
            except RegistrationRefused as refused:
                refusal = refused
        if refusal:
            raise refusal

    def _mark_verified(self, token: str, client: Client) -> None:
        with self._database.transaction(client) as session:
            link, user = self._followed.take(session, Purpose.VERIFY_EMAIL, token)
            if not user.is_active_at(self._clock.now()) or link.details["address"] != self._hash_of(user.email):
                raise LinkRefused
            if not user.is_email_verified:
                user.email_verified_at = user.updated_at = self._clock.now()
                self._trail.record(session, user_events.EMAIL_VERIFIED, client=client, subject_id=user.id)

    def confirm_change(self, *, token: str, client: Client) -> None:
        """Take a link for the address that an account shall have: from now on it has it. Sessions go on.

        Whoever reads at the former address is told, and can take the account back. Raises `LinkRefused`, also when the account wants
        another address by now, and `ProfileRefused` when somebody else has this one.
        """
        try:
            with self._followed.remembered(Purpose.CONFIRM_EMAIL, client):
                self._change(token, client)
        except IntegrityError:
            with self._database.transaction(client) as session:
                self._trail.record(session, user_events.PROFILE_REFUSED, client=client, reason=ProfileRefused.code)
            raise ProfileRefused from None

    def _change(self, token: str, client: Client) -> None:
        with self._database.transaction(client) as session:
            link, user = self._followed.take(session, Purpose.CONFIRM_EMAIL, token, wanted=lambda _, user: user.pending_email)
            wanted = user.pending_email
            if wanted is None or not self._is_meant(link, user) or link.details["address"] != self._hash_of(wanted):
                raise LinkRefused
            # Before any message can go to the new address: of its links, those that this one has shall be the earlier.
            self._notices.leave(session, "notice.email_changed", user, address=client.address)
            now = self._clock.now()
            displace_unconfirmed(session, user, wanted, is_patient=False, links=self._links, trail=self._trail, client=client)
            user.move_to(wanted, canonical=canonical_email(wanted), verified_at=now)
            user.pending_email, user.updated_at = None, now
            # These were sent to the former address.
            self._links.withdraw(session, user.id, Purpose.RESET_PASSWORD, Purpose.CONFIRM_EMAIL, Purpose.VERIFY_EMAIL, Purpose.UNLOCK)
            self._trail.record(session, user_events.EMAIL_CHANGED, client=client, subject_id=user.id)
