"""How a statement is put into the words of a dialect. That it does what it says, on real engines, is for the journeys."""

import sqlite3
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import JSON, Column, Integer, LargeBinary, MetaData, String, Table, Uuid, bindparam, literal, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from secureapi.core.database import Moment
from secureapi.core.statements import Statement
from support.each import each

POSTGRESQL, SQLITE = postgresql.psycopg2.dialect(), sqlite.dialect()
things = Table(
    "things",
    MetaData(),
    Column("id", Uuid(as_uuid=False)),
    Column("seen_at", Moment),
    Column("shape", JSON),
    Column("raw", LargeBinary),
    Column("note", String(20)),
    Column("size", Integer),
)
ID = "01890000-0000-7000-8000-000000000001"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BY_ID = select(things.c.id, things.c.size).where(things.c.id == bindparam("thing_id"), things.c.note == "gone")


def kept(source):
    found = Statement(source).on(POSTGRESQL).kept
    assert found is not None
    return found


def test_a_statement_is_put_together_once_for_each_dialect():
    statement = Statement(BY_ID)

    assert statement.on(SQLITE) is statement.on(SQLITE)
    assert statement.on(POSTGRESQL) is statement.on(POSTGRESQL)
    assert statement.on(SQLITE).sql != statement.on(POSTGRESQL).sql


def test_threads_that_come_first_together_get_the_same_one():
    statement, barrier, found = Statement(BY_ID), threading.Barrier(8), []

    def ask():
        barrier.wait(timeout=10)
        found.append(statement.on(POSTGRESQL))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(one) for one in found}) == 1


def test_only_what_the_server_can_keep_is_to_be_kept():
    assert Statement(BY_ID).on(SQLITE).kept is None
    assert Statement(BY_ID).on(POSTGRESQL).kept is not None


def test_values_that_differ_are_numbered_with_their_types_and_constants_stay():
    made = kept(BY_ID)

    assert made.prepare.startswith(f"PREPARE {made.name} (UUID) AS SELECT ")
    assert "things.id = $1" in made.prepare
    assert "things.note = %(note_1)s" in made.prepare
    assert made.execute == f"EXECUTE {made.name} (%(thing_id)s)"
    assert Statement(BY_ID).on(POSTGRESQL).fixed == {"note_1": "gone"}


def test_a_value_that_stands_twice_is_asked_for_once():
    moved = update(things).values(size=bindparam("size")).where(things.c.size < bindparam("size", type_=Integer)).returning(things.c.id)
    made = kept(moved)

    assert made.prepare.count("$1") == 2
    assert "$2" not in made.prepare
    assert made.execute == f"EXECUTE {made.name} (%(size)s)"

    prepared = Statement(moved).on(SQLITE)
    assert prepared.parameters({"size": 7}) == [7, 7]


def test_values_that_differ_in_kind_keep_their_places():
    every = select(things.c.id).where(*(column == bindparam(f"the_{column.name}") for column in things.c))
    made = kept(every)

    assert made.prepare.startswith(f"PREPARE {made.name} (UUID, TIMESTAMP WITH TIME ZONE, JSON, BYTEA, VARCHAR(20), INTEGER) AS ")
    for place, column in enumerate(things.c, start=1):
        assert f"things.{column.name} = ${place}" in made.prepare
    assert made.execute == f"EXECUTE {made.name} (" + ", ".join(f"%(the_{column.name})s" for column in things.c) + ")"


def test_ten_values_and_more_are_not_mixed_up():
    """`$1` must not be found in `$10`, nor `value` in `value_1`."""
    names = ["value", *(f"value_{number}" for number in range(1, 13))]
    made = kept(select(things.c.id).where(*(things.c.size != bindparam(name) for name in names)))

    assert [made.prepare.count(f"${place})") + made.prepare.count(f"${place} ") for place in range(1, 13)] == [1] * 12
    assert made.prepare.endswith("$13")


def test_a_name_follows_from_what_is_kept():
    """Whoever finds the name in use on a connection that he shares runs what he finds."""
    others = [
        BY_ID.where(things.c.size > 0),
        select(things.c.id).where(things.c.id == bindparam("thing_id"), things.c.note == "gone"),
        select(things.c.id, things.c.size).where(things.c.id == bindparam("thing_id"), things.c.note == "here"),
        select(things.c.id, literal("a").label("x")).where(things.c.id == bindparam("thing_id")),
        select(things.c.id, literal("b").label("x")).where(things.c.id == bindparam("thing_id")),
    ]

    assert kept(BY_ID) == kept(select(things.c.id, things.c.size).where(things.c.id == bindparam("thing_id"), things.c.note == "gone"))
    assert len({kept(source).name for source in [BY_ID, *others]}) == 1 + len(others)
    assert all(len(kept(source).name) < 63 for source in others), "longer names are cut by the server"


def test_what_looks_like_a_place_inside_the_statements_own_text_is_text():
    made = kept(select(literal_column("'100% %(thing_id)s'", String).label("x"), things.c.id).where(things.c.id == bindparam("thing_id")))

    assert "'100%% %%(thing_id)s'" in made.prepare
    assert made.prepare.count("$1") == 1


def test_values_are_given_as_the_driver_takes_them():
    source = select(things.c.id).where(
        things.c.id == bindparam("thing_id"), things.c.seen_at < bindparam("now"), things.c.raw == bindparam("raw"), things.c.note == "it's"
    )
    given = {"thing_id": ID, "now": NOON, "raw": b"\0\xff"}

    assert Statement(source).on(SQLITE).parameters(given) == [ID.replace("-", ""), "2026-11-21 12:00:00.000000", b"\0\xff", "it's"]
    named = Statement(source).on(POSTGRESQL).parameters(given)
    assert (named["thing_id"], named["now"], named["note_1"]) == (ID, NOON, "it's")
    assert set(given) == {"thing_id", "now", "raw"}, "what the caller has given is left alone"


@each("dialect", [POSTGRESQL, SQLITE])
def test_a_moment_without_a_zone_is_refused(dialect):
    statement = Statement(select(things.c.id).where(things.c.seen_at < bindparam("now")))

    with pytest.raises(ValueError, match="time zone"):
        statement.on(dialect).parameters({"now": NOON.replace(tzinfo=None)})


def test_a_row_has_its_columns_by_name_in_their_types():
    prepared = Statement(select(things)).on(SQLITE)

    row = prepared.result((ID.replace("-", ""), "2026-11-21 12:00:00.000000", '{"a": [1]}', b"\0", "x", 5))

    assert row == (ID, NOON, {"a": [1]}, b"\0", "x", 5)
    assert (row.id, row.seen_at, row.shape, row.raw, row.note, row.size) == row
    assert row.seen_at.tzinfo is UTC
    assert prepared.result((None,) * 6) == (None,) * 6


def test_no_row_is_none():
    assert Statement(BY_ID).on(SQLITE).result(None) is None
    assert Statement(select(things)).on(SQLITE).result(None) is None


def test_a_label_and_a_computed_column_are_named_too():
    row = Statement(select((things.c.size + 1).label("next_size"), literal("x").label("word"))).on(SQLITE).result((6, "x"))

    assert (row.next_size, row.word) == (6, "x")


def test_the_words_for_sqlite_are_understood_by_sqlite():
    prepared = Statement(BY_ID).on(SQLITE)
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE things (id TEXT, note TEXT, size INTEGER)")
    connection.execute("INSERT INTO things VALUES (?, 'gone', 3), (?, 'here', 4)", [ID.replace("-", "")] * 2)

    rows = connection.execute(prepared.sql, prepared.parameters({"thing_id": ID})).fetchall()
    connection.close()

    assert [prepared.result(row) for row in rows] == [(ID, 3)]
