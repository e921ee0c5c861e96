"""Getting back in: a new password by a link in a message, and lifting a lock.

Neither signs anybody in, and neither stands for a second factor: whoever reads somebody's mail is not yet him.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from secureapi.auth import events
from secureapi.auth.callers import Callers
from secureapi.auth.recipients import Recipients
from secureapi.auth.repository import SessionRepository
from secureapi.auth.service.followed_links import FollowedLinks
from secureapi.auth.service.new_passwords import NewPasswords
from secureapi.auth.service.requested_mail import RESET, RequestedMail
from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.outbox import Outbox
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.attempts import Attempts, Bound
from secureapi.security.errors import HashingBusy, LinkRefused, WeakPassword
from secureapi.security.events import ACCOUNT_UNLOCKED
from secureapi.security.links import Link, OneTimeLinks, Purpose
from secureapi.security.passwords import PasswordHasher
from secureapi.security.trail import Trail
from secureapi.settings import Settings
from secureapi.users.models import User
from secureapi.users.names import canonical_or_refused
from secureapi.users.repository import UserRepository

_TRIES = 20
"""So many passwords may be tried with one link: with a history, each costs several hashes."""


class Recovery:
    """For those who cannot sign in."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        secret_box: SecretBox,
        links: OneTimeLinks,
        followed: FollowedLinks,
        recipients: Recipients,
        requested_mail: RequestedMail,
        hasher: PasswordHasher,
        new_passwords: NewPasswords,
        attempts: Attempts,
        callers: Callers,
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
        self._hasher = hasher
        self._new_passwords = new_passwords
        self._attempts = attempts
        self._callers = callers
        tries = Bound(_TRIES, timedelta(minutes=settings.reset_link_minutes))
        self._tries = Attempts(clock=clock, bound=lambda: tries)

    def ask_for_reset(self, *, email: str, client: Client) -> None:
        """Have a link sent to the account with this address, if there is one. Raises `Invalid` for what is no address.

        The same work for every address: nobody looks here whether there is such an account.
        """
        typed = canonical_or_refused(email)
        with self._database.transaction(client) as session:
            self._trail.record(session, events.RESET_REQUESTED, client=client, login=self._secrets.fingerprint("login", typed))
            self._outbox.add_spread(session, RESET, user_id=None, typed=self._recipients.seal(typed))

    def reset_password(self, *, token: str, new_password: str, client: Client) -> None:
        """Set a new password with a link. All sessions end, and nobody is signed in. No connection is held while it is hashed.

        Raises `LinkRefused`, and `WeakPassword`, after which the link is as good as before.
        """
        self._set_by_link(Purpose.RESET_PASSWORD, token, new_password, client)

    def accept_invitation(self, *, token: str, new_password: str, client: Client) -> None:
        """Set the first password of an account that was made for somebody, likewise."""
        self._set_by_link(Purpose.INVITATION, token, new_password, client)

    def _set_by_link(self, purpose: Purpose, token: str, new_password: str, client: Client) -> None:
        with self._followed.remembered(purpose, client):
            link, user = self._look_at(purpose, token, client)
            try:
                self._new_passwords.refuse_unfit(user, new_password, client=client)
                password_hash = self._hasher.hash(new_password, whose=user.id)
            except WeakPassword as weak:
                with self._database.transaction(client) as session:
                    self._trail.record(session, events.RESET_REFUSED, client=client, subject_id=user.id, reason=weak.code)
                raise
            except HashingBusy:
                with self._database.transaction(client) as session:
                    self._tries.give_back(session, _tries_key(link))
                raise
            self._replace(purpose, token, password_hash, client)
        self._callers.user_changed(user.id)

    def unlock(self, *, token: str, client: Client) -> None:
        """Lift the lock of an account with a link: forget every wrong attempt. Raises `LinkRefused`."""
        with self._followed.remembered(Purpose.UNLOCK, client), self._database.transaction(client) as session:
            _, user = self._followed.take(session, Purpose.UNLOCK, token)
            if not user.is_active_at(self._clock.now()):
                raise LinkRefused
            self._attempts.clear_all(session, user.id)
            self._trail.record(session, ACCOUNT_UNLOCKED, client=client, subject_id=user.id)

    def _look_at(self, purpose: Purpose, token: str, client: Client) -> tuple[Link, User]:
        with self._database.transaction(client) as session:
            link = self._links.look_at(session, purpose, token)
            attempt = self._tries.reserve(session, _tries_key(link))
            if attempt.number == 1:
                self._tries.sweep(session)
            user = UserRepository(session).get(link.user_id or "")
        if not attempt.is_allowed or not self._is_meant(link, user):
            raise LinkRefused
        return link, user

    def _replace(self, purpose: Purpose, token: str, password_hash: str, client: Client) -> None:
        """Use the link up and put the hash in place; what somebody else may have begun with this account ends."""
        now = self._clock.now()
        with self._database.transaction(client) as session:
            link, user = self._followed.take(session, purpose, token)
            if not self._is_meant(link, user):
                raise LinkRefused
            self._new_passwords.put(session, user, password_hash, now=now)
            user.password_refused_since, user.devices_since = None, now
            if link.details["address"] == self._hash_of(user.email):
                # Whoever followed the link reads there.
                user.email_verified_at = user.email_verified_at or now
            # A thief who asked for another address could otherwise confirm it after all, and then come back by a reset of his own.
            user.pending_email = None
            ended = SessionRepository(session).end_all_of(user.id, reason="password_reset", now=now)
            self._forget_attempts(session, link, user)
            self._links.withdraw(session, user.id, Purpose.RESET_PASSWORD, Purpose.INVITATION, Purpose.CONFIRM_EMAIL, Purpose.UNLOCK)
            if purpose is Purpose.INVITATION:
                # Nobody is told: nobody had the account before, and whoever has it now has just done it.
                self._trail.record(session, events.INVITATION_ACCEPTED, client=client, subject_id=user.id)
                return
            self._trail.record(session, events.PASSWORD_RESET, client=client, subject_id=user.id, ended=ended)
            self._outbox.add(session, "notice.password_reset", user_id=user.id, address=client.address)

    def _forget_attempts(self, session: Session, link: Link, user: User) -> None:
        self._attempts.clear_all(session, user.id)
        self._tries.clear(session, _tries_key(link))


def _tries_key(link: Link) -> str:
    return f"reset:{link.id}"
