"""What is sent to an address with which somebody wants an account: a link to confirm it, or word that it has an account already.

Done by whoever delivers mail, from a note that the request has left: so no request shows whether there is an account.
"""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from secureapi.core.clock import Clock, rfc3339, whole_minute
from secureapi.core.delivery import Handler
from secureapi.core.mail import Hopeless
from secureapi.core.outbox import Note, Outbox
from secureapi.core.requests import Client
from secureapi.core.secret_values import SecretBox
from secureapi.security.account_addresses import FORGOT_PASSWORD, account_page
from secureapi.security.attempts import Attempts
from secureapi.security.events import MAIL_WITHHELD
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.security.trail import Trail
from secureapi.settings import Settings
from secureapi.users import events
from secureapi.users.mailboxes import address_hash, recipient_hash
from secureapi.users.models import PendingRegistration, User
from secureapi.users.pending_registrations import PendingRegistrations
from secureapi.users.repository import UserRepository
from secureapi.users.rules import canonical_email
from secureapi.users.service.registration import REGISTRATION

Seal = Callable[[str], str]
"""Encrypts an address for a note."""
Unseal = Callable[[str], str | None]
"""The address again; None when it cannot be read any more."""
_CONFIRM = "mail.registration"
_TRIED = "mail.registration_tried"


class RegistrationMail:
    """Makes messages of notes about registrations, in the transaction of whoever delivers.

    A note has `registration_id`; or `sealed_to`, when somebody asks for the message again: then it is about the last registration with
    that address, and about nothing when there is none.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        trail: Trail,
        outbox: Outbox,
        links: OneTimeLinks,
        budget: Attempts,
        secret_box: SecretBox,
        seal: Seal,
        unseal: Unseal,
    ) -> None:
        self._forgot_password_page = account_page(settings, FORGOT_PASSWORD)
        self._lifetime = timedelta(hours=settings.verification_link_hours)
        self._clock = clock
        self._trail = trail
        self._outbox = outbox
        self._links = links
        self._budget = budget
        self._secrets = secret_box
        self._seal = seal
        self._unseal = unseal

    @property
    def handlers(self) -> dict[str, Handler]:
        """Who does what, for `Delivery`."""
        return {REGISTRATION: self.write}

    def write(self, session: Session, note: Note) -> None:
        """Note the message. Nothing when the registration is over, or its recipient had enough of them."""
        pending = PendingRegistrations(session, now=self._clock.now())
        waiting = self._wanted(pending, note)
        if waiting is None:
            return
        owner = UserRepository(session).find_by_login(waiting.email_canonical)
        if owner is None:
            self._ask(session, pending, waiting, note)
        else:
            pending.remove(waiting.id)
            self._tell(session, owner, note)

    def _wanted(self, pending: PendingRegistrations, note: Note) -> PendingRegistration | None:
        if "registration_id" in note.details:
            return pending.find(note.details["registration_id"])
        address = self._unseal(note.details["sealed_to"])
        if address is None:
            # SECRET_KEY is another one by now. Somebody waits for this message: it must not vanish without a trace.
            raise Hopeless("AddressUnreadable")
        try:
            return pending.find_newest(canonical_email(address))
        except ValueError:
            return None

    def _ask(self, session: Session, pending: PendingRegistrations, waiting: PendingRegistration, note: Note) -> None:
        """Have whoever reads at the address confirm it. The message goes to the address of the registration, not to one typed later."""
        if not self._may_send(session, f"{_CONFIRM}:{recipient_hash(self._secrets, waiting.email_canonical)}"):
            self._withhold(session, note, _CONFIRM, address=address_hash(self._secrets, waiting.email_canonical))
            return
        # Both from now on: a message that is asked for again says the truth about how long its link is good.
        until = self._clock.now() + self._lifetime
        pending.prolong(waiting.id, until=until)
        link_id = self._links.issue(session, Purpose.VERIFY_EMAIL, user_id=None, lifetime=self._lifetime, registration_id=waiting.id)
        self._outbox.add_spread(
            session,
            _CONFIRM,
            user_id=None,
            sealed_to=self._seal(waiting.email),
            name=waiting.username,
            address=note.details.get("address", ""),
            links={"confirm": (Purpose.VERIFY_EMAIL.value, link_id)},
            valid_until=rfc3339(whole_minute(until)),
            happened_at=rfc3339(waiting.created_at),
        )

    def _tell(self, session: Session, owner: User, note: Note) -> None:
        """Tell the owner of the account, at the address that the account has."""
        client = Client(note.details.get("address", ""), "outbox", note.id)
        self._trail.record(session, events.REGISTRATION_TRIED, client=client, subject_id=owner.id)
        if self._may_send(session, f"{_TRIED}:{owner.id}"):
            self._outbox.add_spread(
                session,
                _TRIED,
                user_id=owner.id,
                address=client.address,
                forgot_password_page=self._forgot_password_page,
                happened_at=rfc3339(note.created_at),
            )
        else:
            self._withhold(session, note, _TRIED, subject_id=owner.id)

    def _may_send(self, session: Session, key: str) -> bool:
        attempt = self._budget.reserve(session, key)
        if attempt.number == 1:
            self._budget.sweep(session)
        return attempt.is_allowed

    def _withhold(self, session: Session, note: Note, topic: str, *, subject_id: str | None = None, **details: str) -> None:
        client = Client("", "outbox", note.id)
        self._trail.record(session, MAIL_WITHHELD, client=client, subject_id=subject_id, topic=topic, **details)
