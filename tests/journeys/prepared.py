"""Words of the journeys about statements: a table of their own, statements on it, and what befalls the connections below."""

import contextlib
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from secureapi.core.database import Moment
from secureapi.core.identifiers import new_id
from secureapi.core.statements import Statement
from support.processes import until

ME, REFRESH = "/api/v1/users/me", "/api/v1/auth/refresh"
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
LOST_AT_MOST = 20
AN_IDLE_WHILE = 1.0

things = Table(
    "things_of_statements",
    MetaData(),
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("seen_at", Moment),
    Column("shape", JSON),
    Column("raw", LargeBinary),
    Column("note", String(200), unique=True),
    Column("size", Integer),
)
THIS = things.c.id == bindparam("thing_id")
READ = Statement(select(things).where(THIS))
BY_NOTE = Statement(select(things.c.id, things.c.note).where(things.c.note == bindparam("note")))
ADD = Statement(insert(things).values({column: bindparam(f"new_{column.name}") for column in things.c}).returning(things.c.id))
GROW = Statement(update(things).where(THIS).values(size=things.c.size + bindparam("by")).returning(things.c.size, things.c.seen_at))
REMOVE = Statement(delete(things).where(THIS).returning(things.c.note))
SLOW = Statement(select(func.pg_sleep(bindparam("seconds", type_=Integer)).label("slept")))

NASTY = [
    *("'", "''", '"', "\\", "\\'", "\\\\", "%", "%%", "%s", "%(thing_id)s", "%(note)s", "%(new_id)s", "%%(note)s", "%(", "$1", "$2", "$$"),
    *("$1::text", "?", ":note", "E'\\x41'", "';--", "'); DROP TABLE things_of_statements; --", "$$; DROP TABLE things_of_statements; $$"),
    *("EXECUTE x", "{}", "\n", "\t", "\u2028", "é", "水", "\U0001f512", "\\u0041", "", " ", "NULL"),
]


def add(database, **fields):
    """A row. Its id."""
    values = dict.fromkeys(things.c.keys()) | {"id": new_id(), "seen_at": NOON, "size": 1} | fields
    return database.run(ADD, **{f"new_{name}": value for name, value in values.items()}).id


def behind(database, sql):
    """Run something on the connection that `run` uses next, past everything that is kept about it."""
    connection = database.reader.raw_connection()
    try:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def kept_by(database):
    """What the server keeps for the one connection: when it was planned, by name."""
    return dict(behind(database, "SELECT name, prepare_time FROM pg_prepared_statements"))


def name_of(database, statement):
    return statement.on(database.reader.dialect).kept.name


def warm_up(engine, number):
    """Have a pool make so many connections."""
    lent = [engine.raw_connection() for _ in range(number)]
    for connection in lent:
        connection.close()


def backends_of(database):
    """The processes of the server that serve `run`."""
    lent = [database.reader.raw_connection() for _ in range(database.reader.pool.size())]
    pids = [connection.dbapi_connection.info.backend_pid for connection in lent]
    for connection in lent:
        connection.close()
    return pids


def cut(database, pids, how="pg_terminate_backend"):
    """End these processes; return when the server has said goodbye on each of their connections."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"SELECT {how}(pid) FROM unnest(%(pids)s) AS pid", {"pids": pids})
        if how == "pg_terminate_backend":
            # In one transaction each look would see what the first one saw.
            until(lambda: not connection.exec_driver_sql("SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s)", (pids,)).all())
