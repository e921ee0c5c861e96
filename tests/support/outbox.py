"""Notes in the outbox as a service would leave them, and what has become of them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, update

from secureapi.core.database import Database, table_of
from secureapi.core.outbox import Outbox, OutboxMessage
from support.house import House, Person
from support.mail_sink import MailSink


def add_notes(house: House, person: Person | Row[Any], number: int = 1, topic: str = "mail.refresh_reused") -> set[str]:
    """As many notes about one person, as a service would add them. The ids of all that are there."""
    with house.service(Database).transaction() as session:
        for _ in range(number):
            house.service(Outbox).add(session, topic, user_id=person.id, session_id=person.id, address="203.0.113.9")
    return {note.id for note in notes_of(house)}


def notes_of(house: House) -> Sequence[Row[Any]]:
    """All notes, delivered or not, the oldest first."""
    table = table_of(OutboxMessage)
    with house.service(Database).reading() as connection:
        return connection.execute(select(table).order_by(table.c.created_at, table.c.id)).all()


def let_claim_pass(house: House, message_id: str) -> None:
    """The time of the claim in which this message is passes, for all that were claimed with it and for no other."""
    table = table_of(OutboxMessage)
    with house.service(Database).writing() as connection:
        until = connection.execute(select(table.c.locked_until).where(table.c.id == message_id)).scalar_one()
        connection.execute(update(table).where(table.c.locked_until == until).values(locked_until=table.c.created_at))


def let_claims_pass(house: House) -> None:
    """The time of every claim passes."""
    house.execute("UPDATE outbox SET locked_until = created_at WHERE locked_until IS NOT NULL")


def keys_of(sink: MailSink) -> Counter[str]:
    """How often the sink was given each message."""
    return Counter(received.key for received in sink.received)
