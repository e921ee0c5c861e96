"""Statements of the hottest paths on real engines: what goes in comes out, whatever befalls the connection, and never another's row."""

import contextlib
import shutil
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg2
import pytest
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
    literal,
    select,
    update,
)

from secureapi.core.database import Database, Moment
from secureapi.core.errors import Unavailable
from secureapi.core.identifiers import new_id
from secureapi.core.statements import Statement
from support.processes import Server, free_port, unprivileged_user, until
from support.races import together

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
_THIS = things.c.id == bindparam("thing_id")
READ = Statement(select(things).where(_THIS))
BY_NOTE = Statement(select(things.c.id, things.c.note).where(things.c.note == bindparam("note")))
ADD = Statement(insert(things).values({column: bindparam(f"new_{column.name}") for column in things.c}).returning(things.c.id))
GROW = Statement(update(things).where(_THIS).values(size=things.c.size + bindparam("by")).returning(things.c.size, things.c.seen_at))
REMOVE = Statement(delete(things).where(_THIS).returning(things.c.note))
SLOW = Statement(select(func.pg_sleep(bindparam("seconds", type_=Integer)).label("slept")))

NASTY = [
    *("'", "''", '"', "\\", "\\'", "\\\\", "%", "%%", "%s", "%(thing_id)s", "%(note)s", "%(new_id)s", "%%(note)s", "%(", "$1", "$2", "$$"),
    *("$1::text", "?", ":note", "E'\\x41'", "';--", "'); DROP TABLE things_of_statements; --", "$$; DROP TABLE things_of_statements; $$"),
    *("EXECUTE x", "{}", "\n", "\t", "\u2028", "é", "水", "\U0001f512", "\\u0041", "", " ", "NULL"),
]


@pytest.fixture
def make_database():
    """`make_database(house)`: its database, with a table of ours in it as long as the test lasts."""
    made = []

    def make(house):
        database = house.service(Database)
        things.metadata.create_all(database.engine)
        made.append(database)
        return database

    yield make
    for database in made:
        things.metadata.drop_all(database.engine)


@pytest.fixture
def database(house, make_database):
    """On each engine."""
    yield (found := make_database(house))
    assert found.reader.pool.checkedout() == 0, "a connection was lent and not given back"


@pytest.fixture
def single(make_house, make_database):
    """On PostgreSQL, with exactly one connection for `run`."""
    found = make_database(make_house("scaled", database_pool_size=1))
    yield found
    assert found.reader.pool.checkedout() == 0


@pytest.fixture
def shared(make_house, make_database):
    """On PostgreSQL, with four connections."""
    found = make_database(make_house("scaled", database_pool_size=4))
    yield found
    assert found.reader.pool.checkedout() == 0


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


@pytest.fixture
def later(monkeypatch):
    """`later()`: an idle while has passed, after which a connection is looked at before it is lent."""
    moved = SimpleNamespace(by=0.0)
    monkeypatch.setattr("secureapi.core.database.time", SimpleNamespace(monotonic=lambda: time.monotonic() + moved.by))

    def pass_by():
        moved.by += AN_IDLE_WHILE

    return pass_by


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
        is_it = Statement(select(things.c.id, literal(nasty, String).label("constant")).where(_THIS, things.c.note == nasty))

        assert database.run(is_it, thing_id=thing) == (thing, nasty)
        assert database.run(is_it, thing_id=another) is None


def test_two_statements_that_differ_only_in_a_constant_are_not_taken_for_one_another(database):
    thing = add(database)
    first, second = (Statement(select(things.c.id, literal(word, String).label("word")).where(_THIS)) for word in ("first", "second"))

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
    wrong = Statement(select((things.c.size // bindparam("by", type_=Integer)).label("part")).where(_THIS))
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
    few = Statement(select(things.c.id, things.c.note, things.c.size).where(_THIS))
    thing = add(single, note="still", size=5)
    assert single.run(few, thing_id=thing)
    behind(single, f"ALTER TABLE things_of_statements {change}")

    for _ in range(3):
        assert single.run(few, thing_id=thing) == (thing, "still", 5)


def test_a_migration_does_not_make_a_process_forget_how_to_keep(single):
    """It is no pooler, which would lose a statement again and again."""
    thing = add(single)
    few = Statement(select(things.c.id, things.c.size).where(_THIS))
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


def test_connections_that_died_while_nobody_used_them_cost_nobody_anything(shared, later):
    mine = [add(shared, size=number) for number in range(4)]
    for _ in range(2):
        cut(shared, backends_of(shared))
        later()

        rows = together([lambda thing=thing: shared.run(READ, thing_id=thing) for thing in mine])

        assert [row.id for row in rows] == mine


def test_one_that_died_just_after_it_was_used_costs_one_caller_a_503_and_no_more(single):
    thing = add(single)
    cut(single, backends_of(single))

    with pytest.raises(Unavailable):
        single.run(READ, thing_id=thing)
    assert single.run(READ, thing_id=thing).id == thing


@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_connection_that_dies_under_a_statement_costs_the_one_who_waits_for_it(single, how):
    thing = add(single)
    single.run(READ, thing_id=thing)
    (pid,) = backends_of(single)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(single.run, SLOW, seconds=60)
        with single.engine.connect() as connection:
            is_asleep = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
            until(lambda: connection.exec_driver_sql(is_asleep, (pid,)).all() or connection.rollback())
        cut(single, [pid], how)
        with pytest.raises(Unavailable):
            waiting.result(timeout=30)

    assert single.reader.pool.checkedout() == 0
    assert single.run(READ, thing_id=thing).id == thing


def test_whoever_keeps_killing_connections_never_gets_anybody_a_wrong_row(shared):
    """Right or 503, and well again afterwards. Each write counts once or not at all."""
    mine = [add(shared, note=f"note {number}", size=0) for number in range(6)]
    is_over = threading.Event()

    def go_on(number):
        written, unsure = 0, 0
        while not is_over.is_set():
            try:
                row = shared.run(READ, thing_id=mine[number])
                assert (row.id, row.note) == (mine[number], f"note {number}")
                unsure += 1
                grown = shared.run(GROW, thing_id=mine[number], by=1)
                unsure -= 1
                written += 1
                assert written <= grown.size <= written + unsure
            except Unavailable:
                continue
        return written, unsure

    with ThreadPoolExecutor(len(mine)) as pool:
        running = [pool.submit(go_on, number) for number in range(len(mine))]
        with shared.engine.connect() as connection:
            everybody = (
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            cuts = 0
            while cuts < 30 and not any(one.done() for one in running):
                cuts += connection.exec_driver_sql(everybody).scalar_one()
                connection.rollback()
        is_over.set()
        results = [one.result(timeout=30) for one in running]

    assert shared.reader.pool.checkedout() == 0
    for (written, unsure), thing in zip(results, mine, strict=True):
        assert written <= shared.run(READ, thing_id=thing).size <= written + unsure


def test_a_restart_of_the_database_is_noticed_by_no_caller(make_services, make_house, later):
    """PostgreSQL is restarted at night: each warm connection would otherwise cost somebody a 503 in the morning."""
    services = make_services()
    house = make_house("scaled", services=services, database_pool_size=4)
    database, person = house.service(Database), house.register()
    assert person.headers
    number = 4

    for end in (services.postgres.stop, services.postgres.kill):
        for engine in (database.engine, database.reader):
            warm_up(engine, number)
        end()
        services.postgres.start()
        later()

        asks = [lambda: house.client().get(ME, headers=person.headers)] * number
        asks += [lambda: house.client().patch(ME, headers=person.headers, json={"bio": "well"})] * number
        assert [answer.status_code for answer in together(asks)] == [200] * 2 * number

    assert database.reader.pool.checkedout() == database.engine.pool.checkedout() == 0


# A pooler between us and the server


@pytest.fixture
def pooled(site, make_house):
    """`pooled(**overrides)`: a house that reaches PostgreSQL through PgBouncer in transaction mode, which has two connections for all."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
    if program is None:
        pytest.skip("no PgBouncer here (Debian: apt-get install pgbouncer)")
    target, port, user = urlsplit(site.addresses.database_url), free_port(), unprivileged_user()
    settings = Path(site.addresses.folder) / f"pgbouncer-{port}.ini"
    settings.touch(mode=0o600)
    settings.write_text(
        f"[databases]\n* = host={target.hostname} port={target.port} user={target.username} password={target.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nserver_round_robin = 1\nmax_client_conn = 100\n"
        "server_tls_sslmode = prefer\nignore_startup_parameters = extra_float_digits,options\n"
    )
    if user:
        shutil.chown(settings, user)

    def is_up():
        with contextlib.suppress(OSError, psycopg2.OperationalError):
            psycopg2.connect(host="127.0.0.1", port=port, dbname="postgres", user="anybody", sslmode="disable").close()
            return True
        return False

    server = Server([program, "-q", str(settings)], log=settings.with_suffix(".log"), is_up=is_up, user=user)
    server.start()

    def make(**overrides):
        name = urlsplit(make_house("scaled").settings.database_url).path
        url = f"postgresql://anybody@127.0.0.1:{port}{name}?sslmode=disable"
        return make_house("scaled", database_url=url, database_require_tls=False, **overrides)

    yield make
    server.stop()


def test_a_pooler_that_gives_each_statement_to_another_connection_mixes_nothing_up(pooled):
    house = pooled(database_pool_size=8)
    people = [house.register() for _ in range(8)]
    assert all(person.tokens for person in people)

    def live_on(person):
        refresh, seen = person.tokens.refresh, []
        for _ in range(6):
            answer = house.client().post(REFRESH, json={"refresh_token": refresh})
            assert answer.status_code == 200, answer.text
            refresh = answer.json["refresh_token"]
            headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
            seen.append(house.client().get(ME, headers=headers).json["username"])
        return seen

    assert together([lambda person=person: live_on(person) for person in people]) == [[person.username] * 6 for person in people]
    for person in people:
        assert len(house.events("auth.session.refreshed", subject=person)) == 6
    assert house.service(Database).reader.pool.checkedout() == 0
    assert house.service(Database)._lost > 0, "nobody was given another connection, so nothing was proved"
