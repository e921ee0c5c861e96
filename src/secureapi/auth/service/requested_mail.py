"""Messages that somebody asks for: a new password, and addresses to be confirmed.

A request leaves a note, one row, whoever it is about. What depends on there being an account is done here, by whoever delivers: so
neither the answer nor its time can tell. A message goes to an address that an account has, never to the spelling that somebody typed:
two addresses that fold to the same one may have two owners.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from secureapi.auth.recipients import Recipients
from secureapi.auth.repository.administrators import find_usernames
from secureapi.auth.service.mail_budget import MailBudget
from secureapi.auth.service.unconfirmed_holders import keeps_it
from secureapi.core.clock import Clock, rfc3339, whole_minute
from secureapi.core.delivery import Handler
from secureapi.core.mail import Hopeless
from secureapi.core.outbox import Note, Outbox
from secureapi.core.secret_values import SecretBox
from secureapi.security.links import Link, OneTimeLinks, Purpose
from secureapi.settings import Settings
from secureapi.users.errors import NoSuchUser
from secureapi.users.mailboxes import is_no_address, mailbox_hash
from secureapi.users.models import User
from secureapi.users.repository import UserRepository
from secureapi.users.rules import canonical_email
from secureapi.users.service.profiles import CONFIRMATION, devices_state
from secureapi.users.service.registration import REGISTRATION, VERIFICATION

RESET = "request.reset"
"""The topic of the note about a lost password."""
INVITATION = "request.invitation"
"""The topic of the note about somebody who shall choose a password for an account that was made for him."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of message."""

    topic: str
    link: str
    """What the templates call the link."""
    purpose: Purpose


_RESET = _Kind("mail.reset", "reset", Purpose.RESET_PASSWORD)
_INVITE = _Kind("mail.invitation", "accept", Purpose.INVITATION)
_VERIFY = _Kind("mail.verify_email", "verify", Purpose.VERIFY_EMAIL)
_CONFIRM = _Kind("mail.confirm_email", "confirm", Purpose.CONFIRM_EMAIL)


class RequestedMail:
    """Makes messages of notes, in the transaction of whoever delivers.

    A note is about `user_id`, or about whoever has the address that it keeps sealed as `typed`.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        outbox: Outbox,
        links: OneTimeLinks,
        recipients: Recipients,
        budget: MailBudget,
        secret_box: SecretBox,
    ) -> None:
        self._reset_lifetime = timedelta(minutes=settings.reset_link_minutes)
        self._invitation_lifetime = timedelta(days=settings.invitation_link_days)
        self._verification_lifetime = timedelta(hours=settings.verification_link_hours)
        self._registers_later = settings.email_verification == "required"
        self._clock = clock
        self._outbox = outbox
        self._links = links
        self._recipients = recipients
        self._budget = budget
        self._secrets = secret_box

    @property
    def handlers(self) -> dict[str, Handler]:
        """Who does what, for `Delivery`."""
        return {
            RESET: self._on_reset,
            INVITATION: self._on_invitation,
            VERIFICATION: self._on_verification,
            CONFIRMATION: self._on_confirmation,
        }

    def send_reset(self, session: Session, user: User, *, sealed_to: str | None = None) -> None:
        """Note a message with a link that sets a new password, in the place of earlier ones. The account's row is locked.

        It goes to `sealed_to`, an address for which somebody has shown that he reads there, or else to the account's.
        """
        self._note(session, _RESET, user, sealed_to=sealed_to or self._recipients.seal(user.email), lifetime=self._reset_lifetime)

    def is_meant(self, link: Link, user: User) -> bool:
        """Whether a link still is for this account as it is: in use, and neither thrown out nor given another password since."""
        return user.is_active_at(self._clock.now()) and link.details["state"] == _state_of(user)

    def hash_of(self, address: str) -> str:
        """What a link has in the place of an address, so that it can be told whether the account still has it, in this spelling."""
        return mailbox_hash(self._secrets, address)

    def _on_reset(self, session: Session, note: Note) -> None:
        user = self._owner(session, note)
        if user is None or not user.is_active_at(self._clock.now()):
            return
        # Somebody who asks all the time uses the budget up for longer than a link is good, and would keep the owner out.
        is_due = not self._links.has_open(session, user.id, _RESET.purpose)
        if not self._budget.allows(session, note, topic=_RESET.topic, whom=user.id, user_id=user.id, is_due=is_due):
            return
        if self._budget.allows_many(session, note, topic=_RESET.topic, user=user):
            self.send_reset(session, user)

    def _on_invitation(self, session: Session, note: Note) -> None:
        user = self._owner(session, note)
        if user is None or user.invited_at is None or not user.is_active_at(self._clock.now()):
            return
        # Of all that are sent there, whoever asks: an account for each tag of one mailbox, or one that is given away and back, floods it.
        whom = self._budget.recipient(user.email)
        if not self._budget.allows(session, note, topic=_INVITE.topic, whom=whom, user_id=user.id):
            return
        # A username, which has a strict alphabet: of his other names somebody who has an administrator's session could make a message.
        inviter = note.details.get("invited_by") or ""
        name = find_usernames(session.connection(), [inviter] if inviter else []).get(inviter)
        sealed_to = self._recipients.seal(user.email)
        self._note(session, _INVITE, user, sealed_to=sealed_to, lifetime=self._invitation_lifetime, invited_by=name or "")

    def _on_verification(self, session: Session, note: Note) -> None:
        user = self._owner(session, note)
        if user is None:
            if self._registers_later and "typed" in note.details:
                # There may be an account by that address as soon as somebody confirms it.
                self._outbox.add_spread(session, REGISTRATION, user_id=None, sealed_to=note.details["typed"])
            return
        if user.is_email_verified or not user.is_active_at(self._clock.now()) or is_no_address(user.email):
            return
        whom = self._budget.recipient(user.email)
        if self._budget.allows(session, note, topic=_VERIFY.topic, whom=whom, user_id=user.id):
            self._note(session, _VERIFY, user, sealed_to=self._recipients.seal(user.email), lifetime=self._verification_lifetime)

    def _on_confirmation(self, session: Session, note: Note) -> None:
        user = self._owner(session, note)
        if user is None or user.pending_email is None or not user.is_active_at(self._clock.now()):
            return
        if note.details["asked_in"] != devices_state(user):
            # Whoever asked for it has been thrown out since.
            return
        # An address that is taken gets nothing: whoever asks for it learns nothing, and its owner has nothing to do.
        # Its own may be there in another spelling; and who has never confirmed it does not keep it.
        holder = UserRepository(session).find_by_login(canonical_email(user.pending_email))
        if keeps_it(holder, user, user.pending_email):
            return
        # By the account: otherwise it could write to any number of strangers. And by the address, whoever asks: otherwise somebody could
        # open ten accounts and have all of them want the same one.
        if all(
            self._budget.allows(session, note, topic=_CONFIRM.topic, whom=whom, user_id=user.id)
            for whom in (user.id, self._budget.recipient(user.pending_email))
        ):
            self._note(session, _CONFIRM, user, sealed_to=self._recipients.seal(user.pending_email), lifetime=self._verification_lifetime)

    def _owner(self, session: Session, note: Note) -> User | None:
        """The account that a note is about, locked: what makes a link void cannot pass by one that is just being made."""
        users = UserRepository(session)
        if note.user_id:
            try:
                return users.get(note.user_id, lock=True)
            except NoSuchUser:
                return None
        typed = self._recipients.unseal(note.details.get("typed", ""))
        if typed is None:
            # SECRET_KEY is another one by now. Somebody waits for this message: it must not vanish without a trace.
            raise Hopeless("AddressUnreadable")
        try:
            return users.find_by_login(canonical_email(typed), lock=True)
        except ValueError:
            return None

    def _note(self, session: Session, kind: _Kind, user: User, *, sealed_to: str, lifetime: timedelta, **told: str) -> None:
        """Note the message with a link, which takes the place of earlier ones. `told` is what else its templates say."""
        self._links.withdraw(session, user.id, kind.purpose)
        address = self.hash_of(self._recipients.unseal(sealed_to) or "")
        link_id = self._links.issue(session, kind.purpose, user_id=user.id, lifetime=lifetime, address=address, state=_state_of(user))
        until = rfc3339(whole_minute(self._clock.now() + lifetime))
        links = {kind.link: (kind.purpose.value, link_id)}
        self._outbox.add_spread(session, kind.topic, user_id=user.id, sealed_to=sealed_to, links=links, valid_until=until, **told)


def _state_of(user: User) -> str:
    """Changes with the password, and whenever everybody is thrown out of an account: by its owner, or because it is disabled."""
    return f"{user.password_changed_at.isoformat()} {devices_state(user)}"
