"""Many rows in one statement come out as they went in, whatever stands in them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from secureapi.core.database import Database, table_of
from secureapi.core.many_rows import insert_free, insert_many
from secureapi.security.models import AuditEvent, Throttle

NOW = datetime(2026, 11, 21, 20, 54, 14, 123456, UTC)
TEXTS = ("plain", '"quoted" \\ back', "'; DROP TABLE users; --", "%(rows)s %s :rows", "Zoë \u2028 😀", "{a,b}", "null", "")


@pytest.fixture
def throttles(house):
    table = table_of(Throttle)
    with house.service(Database).engine.connect() as connection, connection.begin() as transaction:
        yield connection, table
        transaction.rollback()


def test_texts_numbers_moments_and_nothing(throttles):
    connection, table = throttles
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    rows = [{"key": f"{number}{text}", "attempts": 2**31 - 1 - number, "expires_at": elsewhere} for number, text in enumerate(TEXTS)]

    insert_many(connection, table, rows, common={"user_id": None})

    found = connection.execute(table.select().where(table.c.key.in_([row["key"] for row in rows])).order_by(table.c.key)).all()
    assert [(row.key, row.attempts, row.expires_at, row.user_id) for row in found] == [
        (row["key"], row["attempts"], NOW, None) for row in sorted(rows, key=lambda row: row["key"])
    ]


def test_of_two_that_want_the_same_the_first_gets_it(throttles):
    connection, table = throttles
    insert_many(connection, table, [{"key": "there", "attempts": 1}], common={"expires_at": NOW})
    rows = [{"key": key, "attempts": place} for place, key in enumerate(("twice", "there", "twice", "once"))]

    free = insert_free(connection, table, rows, common={"expires_at": NOW}, returning=table.c.key)

    assert free == {"twice", "once"}
    kept = dict(connection.execute(table.select().with_only_columns(table.c.key, table.c.attempts).where(table.c.key.in_(free))).all())
    assert kept == {"twice": 0, "once": 3}


def test_what_is_nested_stays_so(house):
    table = table_of(AuditEvent)
    details = {"a": [1, None, True, 'x\\"y'], "b": {"c": "é"}}
    common = dict.fromkeys(("type", "severity", "outcome", "request_id", "address", "user_agent"), "x") | {"occurred_at": NOW}
    with house.service(Database).engine.connect() as connection, connection.begin() as transaction:
        insert_many(connection, table, [{"details": details, "subject_id": None}] * 2, common=common)
        found = connection.execute(table.select().where(table.c.occurred_at == NOW)).all()
        transaction.rollback()

    assert [(row.details, row.subject_id) for row in found] == [(details, None)] * 2
    assert found[0].id < found[1].id


def test_nothing_is_nothing(house):
    with house.service(Database).engine.connect() as connection:
        assert insert_free(connection, table_of(Throttle), [], returning=table_of(Throttle).c.key) == set()
        insert_many(connection, table_of(Throttle), [])
