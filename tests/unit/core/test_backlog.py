from datetime import timedelta

import pytest
from sqlalchemy import insert

from secureapi.core.backlog import LONGEST_WAIT, Backlogs
from secureapi.core.database import table_of
from secureapi.core.health import NotWell
from secureapi.core.identifiers import new_id
from secureapi.core.outbox import Backlog, OutboxMessage

SECOND = timedelta(seconds=1)


@pytest.fixture
def put(database, clock):
    """`put(due=, dead=, delivered=)`: a message, due so long ago."""

    def one(*, due=SECOND * 0, **states):
        moment = clock.now() - due
        row = {"id": new_id(), "topic": "mail.x", "user_id": None, "details": {}, "created_at": moment, "due_at": moment, "attempts": 0}
        row |= {f"{state}_at": clock.now() for state, is_so in states.items() if is_so}
        with database.writing() as connection:
            connection.execute(insert(table_of(OutboxMessage)).values(row))

    return one


@pytest.fixture
def backlogs(database, clock):
    return Backlogs(database=database, clock=clock)


def test_an_empty_outbox_is_well(backlogs):
    backlogs.look()
    assert backlogs.count() == Backlog(0, 0, None)


def test_messages_that_wait_their_turn_are_well(backlogs, put, clock):
    put(due=LONGEST_WAIT)
    put(due=SECOND)
    put(due=-LONGEST_WAIT)
    put(due=LONGEST_WAIT * 10, delivered=True)
    backlogs.look()
    assert backlogs.count() == Backlog(0, 3, clock.now() - LONGEST_WAIT)


def test_a_message_that_nobody_comes_for_is_not(backlogs, put):
    put(due=LONGEST_WAIT + SECOND)
    with pytest.raises(NotWell):
        backlogs.look()


def test_nor_is_a_dead_letter(backlogs, put):
    put(dead=True)
    with pytest.raises(NotWell):
        backlogs.look()
    assert (backlogs.count().dead, backlogs.count().waiting) == (1, 0)


def test_nobody_counts_without_end(backlogs, put):
    for _ in range(5):
        put()
        put(dead=True)
    assert (backlogs.count(most=3).dead, backlogs.count(most=3).waiting) == (3, 3)


def test_each_number_comes_from_an_index_of_its_own(backlogs, database, monkeypatch):
    """A million delivered messages must not make a probe slow."""
    asked = []
    with database.reading() as connection:
        execute = connection.execute
        monkeypatch.setattr(type(connection), "execute", lambda _self, statement: asked.append(statement) or execute(statement))
        backlogs.count()
        monkeypatch.undo()
        sql = str(asked[0].compile(database.reader, compile_kwargs={"literal_binds": True}))
        plan = "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}"))
    assert "ix_outbox_dead_at" in plan
    assert plan.count("ix_outbox_waiting") == 2
    assert "SCAN outbox\n" not in f"{plan}\n"
