"""Connections that die, are cut, or are lent to others: nobody gets a wrong row, and hardly anybody notices."""

import contextlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from journeys.prepared import (
    GROW,
    ME,
    READ,
    REFRESH,
    SLOW,
    add,
    backends_of,
    cut,
    warm_up,
)
from secureapi.core.database import Database
from secureapi.core.errors import Unavailable
from support.processes import Server, free_port, unprivileged_user, until
from support.races import together


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
