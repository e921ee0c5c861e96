"""Statements of the hottest paths on real engines: what goes in comes out, whatever befalls the connection, and never another's row."""

import sqlite3
from datetime import timedelta, timezone

import psycopg2
import pytest
from sqlalchemy import (
    Integer,
    String,
    bindparam,
    literal,
    select,
)

from journeys.prepared import ADD, BY_NOTE, GROW, LOST_AT_MOST, NASTY, NOON, READ, REMOVE, THIS, add, behind, kept_by, name_of, things
from secureapi.core.identifiers import new_id
from secureapi.core.statements import Statement
from support.races import together


def test_a_row_comes_by_names_and_in_the_types_of_its_columns(database):
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    shape = {"a": [1, None, "x'y"], "b": {"c": True}}
    thing = add(database, seen_at=berlin, shape=shape, raw=bytes(range(256)), note="told", size=-7)

    row = database.run(READ, thing_id=thing)

    assert row._asdict() == {"id": thing, "seen_at": NOON, "shape": shape, "raw": bytes(range(256)), "note": "told", "size": -7}
    assert (type(row.id), row.seen_at.utcoffset(), type(bytes(row.raw))) == (str, timedelta(0), bytes)
    assert database.run(GROW, thing_id=thing, by=10) == (3, NOON)


def test_what_is_empty_comes_back_empty(database):
    thing = add(database, seen_at=None, shape={}, raw=b"", note=None, size=None)

    row = database.run(READ, thing_id=thing)

    assert (row.seen_at, row.shape, bytes(row.raw), row.note, row.size) == (None, {}, b"", None, None)
    assert database.run(GROW, thing_id=thing, by=1) == (None, None)


def test_where_there_is_no_row_there_is_none(database):
    assert database.run(READ, thing_id=new_id()) is None
    assert database.run(GROW, thing_id=new_id(), by=1) is None


def test_of_many_rows_the_first_is_given_and_the_next_statement_is_not_disturbed(database):
    for number in range(5):
        add(database, note=f"row {number}")
    many = Statement(select(things.c.note).where(things.c.size == bindparam("size")).order_by(things.c.note))

    assert [database.run(many, size=1).note for _ in range(3)] == ["row 0"] * 3


def test_a_value_of_somebody_who_writes_sql_is_a_value(database):
    for nasty in NASTY:
        thing = add(database, note=nasty, shape={nasty: nasty})
        row = database.run(READ, thing_id=thing)

        assert (row.note, row.shape) == (nasty, {nasty: nasty})
        assert database.run(BY_NOTE, note=nasty) == (thing, nasty)
        assert database.run(BY_NOTE, note=f"{nasty}.") is None


def test_so_is_a_constant_in_a_statement(database):
    for nasty in NASTY:
        thing, another = add(database, note=nasty), add(database, note=f"{nasty}.")
        is_it = Statement(select(things.c.id, literal(nasty, String).label("constant")).where(THIS, things.c.note == nasty))

        assert database.run(is_it, thing_id=thing) == (thing, nasty)
        assert database.run(is_it, thing_id=another) is None


def test_two_statements_that_differ_only_in_a_constant_are_not_taken_for_one_another(database):
    thing = add(database)
    first, second = (Statement(select(things.c.id, literal(word, String).label("word")).where(THIS)) for word in ("first", "second"))

    assert [database.run(one, thing_id=thing).word for one in (first, second, first)] == ["first", "second", "first"]


def test_a_write_is_committed_when_it_returns(house, database):
    thing = add(database, size=1)

    assert database.run(GROW, thing_id=thing, by=4).size == 5

    assert house.execute("SELECT size FROM things_of_statements") == [(5,)]
    assert database.run(REMOVE, thing_id=thing) == (None,)
    assert house.execute("SELECT size FROM things_of_statements") == []


def test_a_defect_of_ours_reaches_us_as_it_is_and_costs_no_connection(database):
    thing = add(database, note="taken")
    driver = database.reader.dialect.loaded_dbapi

    held = []
    for _ in range(2):
        with pytest.raises(driver.IntegrityError) as refused:
            add(database, note="taken")
        held.append(refused)
        with pytest.raises(KeyError if driver is psycopg2 else (KeyError, sqlite3.ProgrammingError)) as refused:
            database.run(READ)
        held.append(refused)
        with pytest.raises(ValueError, match="time zone") as refused:
            add(database, seen_at=NOON.replace(tzinfo=None))
        held.append(refused)

    # Looked at while whoever reports them still has the errors, and with them all that was in the hands of `run`.
    assert (database.reader.pool.checkedout(), len(held)) == (0, 6)
    assert database.run(BY_NOTE, note="taken").id == thing


def test_a_statement_that_is_wrong_is_no_unavailable_database(shared):
    """It would be tried again for ever, and nobody would look."""
    wrong = Statement(select((things.c.size // bindparam("by", type_=Integer)).label("part")).where(THIS))
    thing = add(shared)

    for _ in range(3):
        with pytest.raises(psycopg2.errors.DivisionByZero):
            shared.run(wrong, thing_id=thing, by=0)
    assert shared.run(wrong, thing_id=thing, by=1).part == 1


def test_sixteen_threads_at_once_mix_nothing_up(database):
    mine = [add(database, note=f"note {number}", size=number) for number in range(16)]

    def read_again_and_again(number):
        rows = [database.run(READ, thing_id=mine[number]) for _ in range(12)] + [database.run(BY_NOTE, note=f"note {number}")]
        return {(row.id, row.note) for row in rows}

    seen = together([lambda number=number: read_again_and_again(number) for number in range(16)])

    assert seen == [{(thing, f"note {number}")} for number, thing in enumerate(mine)]


def test_sixteen_who_add_to_one_number_lose_none(database):
    thing = add(database, size=0)

    together([lambda: [database.run(GROW, thing_id=thing, by=1) for _ in range(4)]] * 16)

    assert database.run(READ, thing_id=thing).size == 64


# What PostgreSQL keeps


def test_a_statement_is_planned_once_a_connection(single):
    thing = add(single)
    assert single.run(READ, thing_id=thing)
    planned = kept_by(single)

    for _ in range(5):
        assert single.run(READ, thing_id=thing).id == thing

    assert kept_by(single) == planned
    assert set(planned) == {name_of(single, ADD), name_of(single, READ)}


@pytest.mark.parametrize("lost", ["DISCARD ALL", "DEALLOCATE ALL"])
def test_what_a_pooler_has_thrown_away_is_missed_by_nobody(single, lost):
    thing = add(single, size=0)
    single.run(GROW, thing_id=thing, by=1)
    behind(single, lost)

    assert single.run(GROW, thing_id=thing, by=1).size == 2, "and it was run once"
    assert single.run(GROW, thing_id=thing, by=1).size == 3
    assert name_of(single, GROW) in kept_by(single), "and kept again"


@pytest.mark.parametrize("whose", ["theirs", "ours"])
def test_a_name_that_is_taken_on_a_shared_connection_gives_nobody_a_wrong_row(single, whose):
    """A pooler has lent the connection to somebody else before: to another process of ours, or to whoever likes our names."""
    thing = add(single, size=0)
    kept = GROW.on(single.reader.dialect).kept
    behind(single, kept.prepare if whose == "ours" else f"PREPARE {kept.name} (integer, uuid) AS SELECT 'theirs'")

    for size in range(1, LOST_AT_MOST + 5):
        assert single.run(GROW, thing_id=thing, by=1).size == size, "right, and run once"


@pytest.mark.parametrize(
    "change",
    [
        "ADD COLUMN more text DEFAULT 'x'",
        "DROP COLUMN raw",
        "ALTER COLUMN size TYPE bigint",
        "ALTER COLUMN note TYPE text",
        "RENAME raw TO rough",
    ],
)
def test_a_migration_between_two_runs_is_not_noticed_by_whoever_reads_other_columns(single, change):
    few = Statement(select(things.c.id, things.c.note, things.c.size).where(THIS))
    thing = add(single, note="still", size=5)
    assert single.run(few, thing_id=thing)
    behind(single, f"ALTER TABLE things_of_statements {change}")

    for _ in range(3):
        assert single.run(few, thing_id=thing) == (thing, "still", 5)


def test_a_migration_does_not_make_a_process_forget_how_to_keep(single):
    """It is no pooler, which would lose a statement again and again."""
    thing = add(single)
    few = Statement(select(things.c.id, things.c.size).where(THIS))
    single.run(few, thing_id=thing)
    behind(single, "ALTER TABLE things_of_statements ALTER COLUMN size TYPE bigint")

    for _ in range(LOST_AT_MOST + 5):
        assert single.run(few, thing_id=thing) == (thing, 1)

    behind(single, "DEALLOCATE ALL")
    single.run(READ, thing_id=thing)
    single.run(READ, thing_id=thing)
    assert name_of(single, READ) in kept_by(single)


def test_a_column_that_is_read_and_gone_is_an_error_of_ours_and_no_wrong_row(single):
    thing = add(single, note="still")
    assert single.run(READ, thing_id=thing)
    behind(single, "ALTER TABLE things_of_statements DROP COLUMN size")

    with pytest.raises(psycopg2.errors.UndefinedColumn):
        single.run(READ, thing_id=thing)
    assert single.run(BY_NOTE, note="still").id == thing


def test_who_has_lost_twenty_keeps_nothing_any_more(single):
    thing = add(single)
    for _ in range(LOST_AT_MOST):
        single.run(READ, thing_id=thing)
        assert name_of(single, READ) in kept_by(single)
        behind(single, "DEALLOCATE ALL")
        assert single.run(READ, thing_id=thing).id == thing

    for _ in range(3):
        assert single.run(READ, thing_id=thing).id == thing
    assert kept_by(single) == {}


# Connections that die
