"""How long the list of accounts takes among a million of them: plans, and times in the database, of pages, searches and filters.

    python benchmarks/users.py                                   # a PostgreSQL of its own, as the tests start one
    python benchmarks/users.py --database-url postgresql://…     # a database that is empty and may be filled, or was filled so
    python benchmarks/users.py --users 100000 --plans
    python benchmarks/users.py --sqlite                          # the embedded database

What is measured are the statements that the repository sends: each is taken down on its way and run again under EXPLAIN ANALYZE, several
times, of which the median is shown. The order of the texts of the database is not that of bytes (ICU, en-US), where the server can do
that, since that is where an index would not help a search by beginnings unless it was made for it.

The table is an unkind one: what is asked for together stands far apart. The oldest third are viewers, all active; the next third are
ordinary people, all disabled; all of these have names that begin alike. Whoever is locked, invited or of a rare role is among the newest.
After what people do with the list comes what somebody does who wants to hurt: every filter with every other, and every order.
"""

import argparse
import sqlite3
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from secureapi.users.lists import list_people  # noqa: E402 - after the path

_LIMIT_MS = 50
_FILL = """
    INSERT INTO users (id, username, username_canonical, email, email_canonical, email_verified_at, password_hash, password_changed_at,
                       full_name, role, status, locked_at, locked_until, invited_at, created_at, updated_at)
    SELECT id, name, name, name || '@example.com', name || '@example.com', moment, 'x', moment, 'Somebody ' || n,
           CASE WHEN n <= :third THEN 'viewer' WHEN n % 100000 = 0 THEN 'admin' WHEN n % 1000 = 0 THEN 'moderator' ELSE 'user' END,
           CASE WHEN n > :third AND (n <= 2 * :third OR n % 200 = 0) THEN 'disabled' ELSE 'active' END,
           CASE WHEN n > 2 * :third AND n % 1000 = 0 THEN moment END,
           CASE WHEN n <= 2 * :third OR n % 1000 > 0 THEN NULL WHEN n % 4000 = 0 THEN :later WHEN n % 2000 = 0 THEN :earlier END,
           CASE WHEN n > 2 * :third AND n % 701 = 0 THEN moment END, moment, moment
    FROM (SELECT n, {id} AS id, {moment} AS moment,
                 CASE WHEN n <= 2 * :third THEN 'user-' || n ELSE substr({hash}, 1, 4) || '-' || n END AS name
          FROM {numbers}) AS made
"""
_WORDS = {
    "postgresql": {
        "id": "md5(n::text)::uuid",
        "hash": "md5('name' || n)",
        "moment": "timestamptz '2020-01-01' + n * interval '150 seconds'",
        "numbers": "generate_series(1, :most) AS n",
    },
    "sqlite": {
        "id": "printf('%024x%08x', (n * 2654435761) % 4294967296, n)",
        "hash": "printf('%08x', (n * 2654435761) % 4294967296)",
        "moment": "strftime('%Y-%m-%d %H:%M:%f000', 1577836800 + n * 150, 'unixepoch')",
        "numbers": "(WITH RECURSIVE counting(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < :most) SELECT n FROM counting)",
    },
}
_ROLES = (None, "admin", "moderator", "viewer", "user", "nobody-has-it")
_STATUSES = (None, "active", "invited", "locked", "disabled")
_SORTS = ("created_at", "-created_at", "username", "-username")
_BEGINNINGS = (None, "u", "f", "zzzz")


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    wanted.add_argument("--database-url", default="")
    wanted.add_argument("--sqlite", action="store_true", help="the embedded database, whose times are those of the whole statement")
    wanted.add_argument("--users", type=int, default=1_000_000)
    wanted.add_argument("--runs", type=int, default=5)
    wanted.add_argument("--worst", type=int, default=12, help="so many of what somebody asks who wants to hurt are shown")
    wanted.add_argument("--plans", action="store_true", help="print the plan of whatever is shown")
    options = wanted.parse_args()
    with _database(options) as url, create_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text("SELECT EXISTS (SELECT 1 FROM users)")).scalar_one():
            _fill(connection, options.users)
        print("\nWhat people do:")
        slowest = [_shown(_measure(connection, options.runs, name, look), options) for name, look in _looks(connection, options.users)]
        print("\nWhat somebody does who wants to hurt, the worst of it:")
        hostile = [_measure(connection, 1, name, look) for name, look in _hostile(connection, options.users)]
        hostile.sort(key=lambda found: (max(one.buffers for one in found.statements), found.worst.milliseconds), reverse=True)
        again = [_measure(connection, options.runs, found.name, found.look) for found in hostile[: options.worst]]
        slowest += [_shown(found, options) for found in again]
        most = [max(getattr(one, what) for found in hostile for one in found.statements) for what in ("rows", "buffers")]
        print(f"of {len(hostile)} combinations; none looked at more than {most[0]} rows, nor at more than {most[1]} buffers")
    print(f"the slowest: {max(slowest):.1f} ms, {'within' if max(slowest) <= _LIMIT_MS else 'NOT within'} {_LIMIT_MS} ms")


def _fill(connection: Connection, users: int) -> None:
    began, dialect = datetime.now(UTC), connection.dialect.name
    moments = {"later": datetime(2035, 1, 1, tzinfo=UTC), "earlier": datetime(2025, 1, 1, tzinfo=UTC)}
    written = {name: moment.replace(tzinfo=None).isoformat(" ", "microseconds") for name, moment in moments.items()}
    values = {"most": users, "third": users // 3, **(moments if dialect == "postgresql" else written)}
    connection.execute(text(_FILL.format(**_WORDS[dialect])), values)
    took = datetime.now(UTC) - began
    if dialect == "postgresql":
        connection.execute(text("VACUUM ANALYZE users"))
        size = connection.execute(text("SELECT pg_size_pretty(pg_total_relation_size('users'))")).scalar_one()
        order = connection.execute(text("SELECT datcollate, datlocprovider FROM pg_database WHERE datname = current_database()")).one()
        print(f"{users} accounts in {took}, {size}; {connection.dialect.server_version_info}, {order}")
    else:
        print(f"{users} accounts in {took}; SQLite {sqlite3.sqlite_version}")


def _looker(connection: Connection) -> Callable[..., Callable[[], Any]]:
    usual = {"now": datetime.now(UTC), "page": 1, "per_page": 20, "sort": "created_at"}
    return lambda **wanted: lambda: list_people(connection, **(usual | wanted))


def _looks(connection: Connection, users: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What people do with the list."""
    page = _looker(connection)
    one = page(per_page=1, sort="-created_at", q="f")().items[0]
    middle = (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=150 * users // 2)).isoformat()
    behind = f"{middle}~{one.id}"
    yield from ((f"first page, sort={sort}", page(sort=sort)) for sort in _SORTS)
    yield from ((f"page 100, sort={sort}", page(page=100, sort=sort)) for sort in ("created_at", "-username"))
    yield from {
        "deep, after half of them, sort=created_at": page(after=behind),
        "deep, after half of them, sort=-created_at": page(after=behind, sort="-created_at"),
        "deep, after half of them, sort=username": page(after="user-5", sort="username"),
        "deep, after half of them, role=user, sort=username": page(after="user-5", sort="username", role="user"),
        "search, one account": page(q=one.username),
        "search, an address": page(q=one.email),
        "search, nobody": page(q="zzzz"),
        "search, nobody, wildcards": page(q="%_%"),
        "search, two letters": page(q=one.username[:2]),
        "search, one letter": page(q=one.username[:1]),
        "search, one letter, page 25": page(q=one.username[:1], page=25),
        "search, one letter, sort=-username": page(q=one.username[:1], sort="-username"),
        "search by names only, one letter": page(q=one.username[:1], by_address=False),
        "role=admin": page(role="admin"),
        "role=moderator, sort=username": page(role="moderator", sort="username"),
        "role=user": page(role="user"),
        "role=user, page 100": page(role="user", page=100),
        "status=active": page(status="active"),
        "status=disabled": page(status="disabled"),
        "status=locked": page(status="locked"),
        "status=invited, sort=-username": page(status="invited", sort="-username"),
        "role=viewer, status=disabled (nobody)": page(role="viewer", status="disabled"),
    }.items()


def _hostile(connection: Connection, users: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every filter with every other, in every order, on the first page and as deep as may be, by administrators and by moderators."""
    page = _looker(connection)
    middle = f"{(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=150 * users // 2)).isoformat()}~{UUID(int=0)}"
    deep = {"first": {}, "page 20 of 100": {"page": 20, "per_page": 100}, "after": {}}
    for role, status, sort, q, (where, place), sees in product(_ROLES, _STATUSES, _SORTS, _BEGINNINGS, deep.items(), (True, False)):
        if not sees and status in {"invited", "locked"}:
            continue
        goes_on = {"after": "user-5" if "username" in sort else middle} if where == "after" else {}
        wanted = {"role": role, "status": status, "sort": sort, "q": q}
        name = ", ".join(f"{key}={value}" for key, value in wanted.items() if value)
        yield (
            f"{name}, {where}{'' if sees else ', as a moderator'}",
            page(**wanted, **place, **goes_on, by_address=sees, by_status=sees),
        )


@dataclass(frozen=True, slots=True)
class _Statement:
    """What one statement took."""

    kind: str
    milliseconds: float
    rows: int
    """That were looked at, on whatever way, those passed over included."""
    buffers: int
    """Pages of the database, of 8 kB each."""
    plan: str


@dataclass(frozen=True, slots=True)
class _Found:
    """What one look took."""

    name: str
    look: Callable[[], Any]
    statements: tuple[_Statement, ...]
    total: int
    on_page: int

    @property
    def worst(self) -> _Statement:
        return max(self.statements, key=lambda statement: statement.milliseconds)


def _measure(connection: Connection, runs: int, name: str, look: Callable[[], Any]) -> _Found:
    """The statements of one look, each with the median of its times."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    found = look()
    event.remove(connection, "before_cursor_execute", note)
    explained = _explained if connection.dialect.name == "postgresql" else _timed
    statements = tuple(explained(connection, runs, *each) for each in zip(("count", "page"), seen, strict=True))
    return _Found(name, look, statements, found.total, len(found.items))


def _explained(connection: Connection, runs: int, kind: str, seen: tuple[str, Any]) -> _Statement:
    statement, parameters = seen
    times, told = [], {}
    for _ in range(runs):
        told = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters).scalar_one()[0]
        times.append(told["Planning Time"] + told["Execution Time"])
    buffers = told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"]
    return _Statement(kind, statistics.median(times), _looked_at(told["Plan"]), buffers, "\n".join(_lines(told["Plan"])))


def _timed(connection: Connection, runs: int, kind: str, seen: tuple[str, Any]) -> _Statement:
    statement, parameters = seen
    times = []
    for _ in range(runs):
        began = perf_counter()
        connection.exec_driver_sql(statement, parameters).all()
        times.append((perf_counter() - began) * 1000)
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    return _Statement(kind, statistics.median(times), 0, 0, "\n".join(f"    {line[3]}" for line in plan))


def _looked_at(node: dict[str, Any]) -> int:
    """How many rows a plan has taken from the table and its indexes, or looked at and left."""
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    scanned = round(own * node["Actual Loops"]) if "Relation Name" in node or "Index Name" in node else 0
    return scanned + sum(map(_looked_at, node.get("Plans", [])))


def _lines(node: dict[str, Any], depth: int = 2) -> Iterator[str]:
    on = node.get("Index Name") or node.get("Relation Name") or ""
    left = node.get("Rows Removed by Filter", 0)
    blocks = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
    rows = f"rows={node['Actual Rows']} loops={node['Actual Loops']}" + (f" left={left}" if left else "")
    yield f"{'  ' * depth}{node['Node Type']} {on}  {rows} buffers={blocks} {node['Actual Total Time']:.2f} ms"
    for below in node.get("Plans", []):
        yield from _lines(below, depth + 1)


def _shown(found: _Found, options: argparse.Namespace) -> float:
    """Print it. The time of its slower statement."""
    by_kind = "   ".join(f"{one.kind} {one.milliseconds:6.2f} ms {one.rows:5} rows {one.buffers:5} buffers" for one in found.statements)
    print(f"{found.name:<72} {by_kind}   total {found.total}, {found.on_page} on the page")
    if options.plans:
        print("\n".join(one.plan for one in found.statements))
    return found.worst.milliseconds


@contextmanager
def _database(options: argparse.Namespace) -> Iterator[str]:
    """A migrated database."""
    from flask_migrate import upgrade  # noqa: PLC0415 - only needed here

    from secureapi import create_app  # noqa: PLC0415
    from support.sample_settings import make_settings  # noqa: PLC0415

    def migrated(address: str) -> str:
        app = create_app(make_settings(database_url=address, database_require_tls=False, log_level="ERROR"))
        with app.app_context():
            upgrade()
        return app.config["SQLALCHEMY_DATABASE_URI"]

    if options.sqlite:
        with TemporaryDirectory() as folder:
            yield migrated(f"sqlite:///{folder}/users.db")
        return
    if options.database_url:
        yield migrated(options.database_url)
        return
    from support.services import Services  # noqa: PLC0415

    services = Services(from_outside=False)
    try:
        maintenance = services.addresses.database_url
        name = "benchmark_users"
        with create_engine(maintenance.replace("postgresql://", "postgresql+psycopg2://", 1)).connect() as connection:
            raw = connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                raw.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' ENCODING 'UTF8'"))
            except DBAPIError:
                raw.execute(text(f"CREATE DATABASE {name}"))
        yield migrated(urlunsplit(urlsplit(maintenance)._replace(path=f"/{name}")))
    finally:
        services.close()


if __name__ == "__main__":
    main()
