"""Messages: who may be written to, what is written, and how it leaves the house."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection

from secureapi.auth import events
from secureapi.auth.recipients import Recipients
from secureapi.auth.service.mail_budget import MailBudget
from secureapi.auth.service.notices import Notices
from secureapi.auth.service.requested_mail import RequestedMail
from secureapi.core.delivery import Delivery, Undelivered
from secureapi.core.identifiers import new_id
from secureapi.core.mail import post_of
from secureapi.core.requests import Client
from secureapi.security.attempts import Attempts, Bound
from secureapi.security.links import OneTimeLinks
from secureapi.security.trail import Trail
from secureapi.settings.in_force import SettingsInForce
from secureapi.users.service import RegistrationMail
from secureapi.wiring.ground import Ground


@dataclass(frozen=True, kw_only=True)
class Messages:
    """Shared by all who write to people."""

    links: OneTimeLinks
    recipients: Recipients
    counts: Attempts
    """How many messages an account or an address was sent."""
    budget: MailBudget
    notices: Notices
    requested: RequestedMail
    delivery: Delivery
    undelivered: Undelivered


def messages_on(ground: Ground) -> Messages:
    """Make them."""
    settings, clock, database = ground.settings, ground.clock, ground.database
    trail, outbox, secret_box = ground.trail, ground.outbox, ground.secret_box
    links = OneTimeLinks(settings=settings, clock=clock, secret_box=secret_box)
    recipients = Recipients(database=database, secret_box=secret_box)
    counts = Attempts(clock=clock, bound=partial(_bound_of_a_recipient, ground.in_force))
    budget = MailBudget(attempts=counts, clock=clock, secret_box=secret_box, trail=trail)
    notices = Notices(settings=settings, outbox=outbox, links=links, recipients=recipients, secret_box=secret_box, budget=budget)
    requested = RequestedMail(
        settings=settings,
        clock=clock,
        outbox=outbox,
        links=links,
        recipients=recipients,
        budget=budget,
        secret_box=secret_box,
    )
    registrations = RegistrationMail(
        settings=settings,
        clock=clock,
        trail=trail,
        outbox=outbox,
        links=links,
        budget=counts,
        secret_box=secret_box,
        seal=recipients.seal,
        unseal=recipients.unseal,
    )
    delivery = Delivery(
        settings=settings,
        database=database,
        clock=clock,
        post=post_of(settings),
        find_recipient=recipients.find,
        link_to=links.url,
        handlers=registrations.handlers | requested.handlers | notices.handlers,
        record=partial(_record, trail),
        keep_up=ground.watch.keep_up,
    )
    return Messages(
        links=links,
        recipients=recipients,
        counts=counts,
        budget=budget,
        notices=notices,
        requested=requested,
        delivery=delivery,
        undelivered=Undelivered(database=database, clock=clock, record=partial(_record, trail)),
    )


def _bound_of_a_recipient(in_force: SettingsInForce) -> Bound:
    budget = in_force.now.mail_recipient_budget
    return Bound(budget.requests, timedelta(seconds=budget.seconds))


def _record(trail: Trail, connection: Connection, happened: str, user_id: str | None, details: dict[str, Any]) -> None:
    kind = events.MAIL_DEAD if happened == "dead" else events.MAIL_DROPPED
    trail.record(connection, kind, client=Client("", "outbox", new_id()), subject_id=user_id, **details)
