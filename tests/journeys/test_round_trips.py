"""What it costs to know who is calling, counted where it is paid: exchanges with Redis and statements of the database."""

import sqlite3

import psycopg2.extensions
import pytest
from flask import Blueprint
from redis import Redis
from sqlalchemy import event, text

from secureapi.core.database import Database
from secureapi.security.guard import signed_in
from secureapi.security.limits import limited

COUNTED = "secureapi-tests:until-here"


@pytest.fixture
def probe():
    """Endpoints that ask for nothing by themselves: all that is paid is paid for the caller."""
    blueprint = Blueprint("probe", __name__)
    blueprint.get("/probe", endpoint="usual")(signed_in(lambda: {"let": "in"}))
    blueprint.get("/probe/limited", endpoint="limited")(limited("profile")(signed_in(lambda: {"let": "in"})))
    return blueprint


class Statements:
    """Every statement that goes to the driver, on whichever engine and by whichever way, with its values in place.

    All but the looks at keys and changed settings, which one request every few seconds pays for all.
    """

    def __init__(self, house):
        self.asked = []
        self._kept = {}
        database = house.service(Database)
        database.dispose()
        for engine in (database.engine, database.reader):
            event.listen(engine, "checkout", self._watch)

    def _watch(self, driver, _record, _proxy):
        if isinstance(driver, sqlite3.Connection):
            driver.set_trace_callback(self._note)
        else:
            driver.cursor_factory = type("Watched", (Watched,), {"note": staticmethod(self._note)})

    def _note(self, statement):
        # What the server keeps is planned once a connection, and known by its name afterwards.
        if statement.startswith("PREPARE "):
            name, body = statement.removeprefix("PREPARE ").split(" ", 1)
            self._kept[name] = body.partition(" AS ")[2]
        elif statement.startswith("EXECUTE "):
            name, values = statement.removeprefix("EXECUTE ").split(" ", 1)
            self.asked.append(_with(self._kept[name], values))
        elif " signing_keys" not in statement and " settings_versions" not in statement:
            self.asked.append(statement)


def _with(body, values):
    """A kept statement with its one value in place; with several, as it was kept."""
    return body.replace("$1", values.strip("()")) if "," not in values else body


class Watched(psycopg2.extensions.cursor):
    """Tells what it executes; and of a transaction, which costs an exchange before the statement and one behind it."""

    def execute(self, query, values=None):
        if not self.connection.autocommit:
            self.note("BEGIN")
        self.note(self.mogrify(query, values).decode())
        return super().execute(query, values)


class Exchanges:
    """What clients ask of one logical database of Redis, as Redis itself sees it; what a script does inside is none of it."""

    def __init__(self, settings):
        self._asker, self._watcher = (Redis.from_url(settings.redis_url, ssl_ca_certs=settings.redis_ca_file or None) for _ in range(2))
        self._database = int(settings.redis_url.rpartition("/")[2])

    def __enter__(self):
        # Connected before it counts: the greeting of this client is none of the house's exchanges.
        self._asker.ping()
        self._monitor = self._watcher.monitor()
        self._monitor.__enter__()
        return self

    def __exit__(self, *_):
        self._monitor.__exit__(None, None, None)
        self._asker.close()
        self._watcher.close()

    def counted(self):
        """The commands since the last look."""
        self._asker.echo(COUNTED)
        commands = []
        for seen in self._monitor.listen():
            if COUNTED in seen["command"]:
                return commands
            if seen["db"] == self._database and seen["client_type"] != "lua":
                commands.append(seen["command"].partition(" ")[0].upper())
        raise AssertionError("Redis hung up")


def read(house, person, path="/probe"):
    answer = house.client().get(path, headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_known_caller_costs_one_exchange_with_redis_and_no_statement(make_house, probe):
    house = make_house("scaled", blueprints=(probe,), redis_timeout_seconds=10.0)
    person = house.register()
    read(house, person)
    statements = Statements(house)

    with Exchanges(house.settings) as exchanges:
        for _ in range(5):
            read(house, person)
            assert exchanges.counted() == ["EVALSHA"]
    assert statements.asked == []


def test_a_limit_of_its_own_costs_a_known_caller_at_most_one_exchange_more(make_house, probe):
    house = make_house("scaled", blueprints=(probe,), redis_timeout_seconds=10.0)
    person = house.register()
    for _ in range(2):
        read(house, person, "/probe/limited")
    statements = Statements(house)

    with Exchanges(house.settings) as exchanges:
        for _ in range(5):
            read(house, person, "/probe/limited")
            assert 1 <= len(exchanges.counted()) <= 2
    assert statements.asked == []


def test_a_caller_whom_redis_does_not_know_yet_costs_one_statement_and_is_kept_by_one_exchange(make_house, probe):
    house = make_house("scaled", blueprints=(probe,), redis_timeout_seconds=10.0)
    person = house.register()
    read(house, house.register())
    assert person.headers
    statements = Statements(house)

    with Exchanges(house.settings) as exchanges:
        read(house, person)
        assert len(exchanges.counted()) == 2
    assert len(statements.asked) == 1


def without_redis(make_house, engine, probe):
    overrides = {"redis_url": "", "redis_ca_file": ""} if engine == "scaled" else {}
    return make_house(engine, blueprints=(probe,), **overrides)


@pytest.mark.parametrize("path", ["/probe", "/probe/limited"])
def test_without_redis_every_caller_costs_exactly_one_statement_and_no_transaction(make_house, engine, probe, path):
    house = without_redis(make_house, engine, probe)
    person = house.register()
    read(house, person, path)
    statements = Statements(house)

    for _ in range(5):
        statements.asked.clear()
        read(house, person, path)
        (asked,) = statements.asked
        assert asked.startswith("SELECT ")


def test_the_one_statement_finds_its_rows_by_their_primary_keys(make_house, engine, probe):
    """So that it costs the same with a million accounts: no table is read from one end to the other."""
    house = without_redis(make_house, engine, probe)
    person = house.register()
    assert person.headers
    statements = Statements(house)
    read(house, person)
    (asked,) = statements.asked

    with house.service(Database).engine.connect() as connection:
        if engine == "scaled":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = connection.exec_driver_sql(f"EXPLAIN {asked}").scalars().all()
            steps = [line.partition("(cost")[0].strip(" ->") for line in plan if " Scan " in line]
            assert sorted(steps) == ["Index Scan using pk_sessions on sessions", "Index Scan using pk_users on users"]
        else:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}").all()
            assert [step.detail.split("(")[0].strip() for step in plan] == [
                "SEARCH sessions USING INDEX sqlite_autoindex_sessions_1",
                "SEARCH users USING INDEX sqlite_autoindex_users_1",
            ]


def test_somebody_whose_session_has_ended_costs_no_statement_with_redis(make_house, probe):
    """Whoever holds a dead token could otherwise keep the database busy with it."""
    house = make_house("scaled", blueprints=(probe,), redis_timeout_seconds=10.0)
    person = house.register()
    read(house, person)
    assert house.client().post("/api/v1/auth/logout", headers=person.headers).status_code == 200
    statements = Statements(house)

    for _ in range(3):
        assert house.client().get("/probe", headers=person.headers).status_code == 401

    assert statements.asked == []


def test_a_token_that_is_forged_costs_no_statement_and_no_exchange_for_its_victim(make_house, engine, probe):
    house = make_house(engine, blueprints=(probe,))
    person = house.register()
    read(house, person)
    statements = Statements(house)

    forged = person.tokens.access[:-6] + ("AAAAAA" if not person.tokens.access.endswith("AAAAAA") else "BBBBBB")
    assert house.client().get("/probe", headers={"Authorization": f"Bearer {forged}"}).status_code == 401

    assert statements.asked == []


def test_a_rotation_is_one_statement_on_the_family(make_house, engine):
    """Compare and set: nobody can come in between, since there is no in between."""
    house = make_house(engine)
    person = house.register()
    assert person.tokens
    statements = Statements(house)

    assert house.client().post("/api/v1/auth/refresh", json={"refresh_token": person.tokens.refresh}).status_code == 200

    (rotation,) = [asked for asked in statements.asked if "sessions" in asked]
    assert "UPDATE sessions SET" in rotation
    if engine == "scaled":
        assert statements.asked == [rotation], "the event goes along with it, without a transaction around the two"
