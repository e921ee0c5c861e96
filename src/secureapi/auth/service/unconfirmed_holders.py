"""Accounts that have an address for which nobody has ever shown that he reads there, when somebody else does."""

from sqlalchemy.orm import Session

from secureapi.core.requests import Client
from secureapi.security.links import OneTimeLinks, Purpose
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.mailboxes import mailbox, no_address
from secureapi.users.models import User
from secureapi.users.repository import UserRepository
from secureapi.users.rules import canonical_email


def keeps_it(holder: User | None, user: User, email: str) -> bool:
    """Whether another account than `user` has this address and may keep it, even from whoever reads there.

    One with another spelling may: that is another mailbox, perhaps, and nothing has been shown about it.
    """
    if holder is None or holder.id == user.id:
        return False
    return holder.is_email_verified or mailbox(holder.email) != mailbox(email)


def displace_unconfirmed(
    session: Session, user: User, email: str, *, is_patient: bool, links: OneTimeLinks, trail: Trail, client: Client
) -> None:
    """Take an address away from whoever has it without having confirmed it: `user` is about to get it, and its reader has been shown.

    Otherwise a thief who has moved an account away could open another one with the address of the owner, who would get his own neither
    back nor again. Whoever is displaced stays signed in, and can have another address. `FollowedLinks.take` has locked whoever had it when
    this transaction began; somebody else who has it since is not waited for if he keeps it: two accounts that wait for one another would
    wait for ever. `is_patient`: wait for one that somebody else has in hand, instead of leaving it alone.
    """
    users = UserRepository(session)
    holder = users.find_by_login(canonical_email(email))
    if holder is None or holder.id == user.id or keeps_it(holder, user, email):
        return
    holder = users.find_locked(holder.id, is_patient=is_patient)
    if holder is None or keeps_it(holder, user, email) or canonical_email(email) != holder.email_canonical:
        return
    nowhere = no_address(holder.id)
    holder.move_to(nowhere, canonical=nowhere, verified_at=None)
    links.withdraw(session, holder.id, *Purpose)
    trail.record(session, events.EMAIL_DISPLACED, client=client, subject_id=holder.id)
    # By itself: the names of both accounts are unique at every moment.
    session.flush()
