"""How long the list of accounts takes among a million of them: plans, and times in the database, of pages, searches and filters.

    python benchmarks/users.py                                   # a PostgreSQL of its own, as the tests start one
    python benchmarks/users.py --database-url postgresql://…     # an empty database that may be filled
    python benchmarks/users.py --users 100000 --plans

What is measured are the statements that the repository sends: each is taken down on its way and run again under EXPLAIN ANALYZE, several
times, of which the median and the slowest are shown. The order of the texts of the database is not that of bytes (ICU, en-US), where the
server can do that, since that is where an index would not help a search by beginnings unless it was made for it.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DBAPIError

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from secureapi.users.repository import list_people  # noqa: E402 - after the path

_LIMIT_MS = 50
_FILL = """
    INSERT INTO users (id, username, username_canonical, email, email_canonical, email_verified_at, password_hash, password_changed_at,
                       full_name, role, status, created_at, updated_at)
    SELECT md5(n::text)::uuid, name, name, name || '@example.com', name || '@example.com', moment, 'x', moment, 'Somebody ' || n,
           CASE WHEN n % 100000 = 0 THEN 'admin' WHEN n % 1000 = 0 THEN 'moderator' WHEN n % 50 = 0 THEN 'viewer' ELSE 'user' END,
           CASE WHEN n % 200 = 0 THEN 'disabled' ELSE 'active' END, moment, moment
    FROM (SELECT n, substr(md5('name' || n), 1, 4) || '-' || substr(md5(n::text), 1, 6) || n AS name,
                 timestamptz '2020-01-01' + n * interval '150 seconds' AS moment
          FROM generate_series(1, :most) AS n) AS made
"""


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    wanted.add_argument("--database-url", default="")
    wanted.add_argument("--users", type=int, default=1_000_000)
    wanted.add_argument("--runs", type=int, default=7)
    wanted.add_argument("--plans", action="store_true", help="print every plan")
    options = wanted.parse_args()
    with _database(options.database_url) as url:
        engine = create_engine(url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            began = datetime.now(UTC)
            connection.execute(text(_FILL), {"most": options.users})
            connection.execute(text("VACUUM ANALYZE users"))
            size = connection.execute(text("SELECT pg_size_pretty(pg_total_relation_size('users'))")).scalar_one()
            order = connection.execute(text("SELECT datcollate, datlocprovider FROM pg_database WHERE datname = current_database()")).one()
            print(f"{options.users} accounts in {datetime.now(UTC) - began}, {size}; {connection.dialect.server_version_info}, {order}")
            slowest = max(_measure(connection, options, name, look) for name, look in _looks(connection, options.users).items())
        engine.dispose()
    print(f"the slowest: {slowest:.1f} ms, {'within' if slowest <= _LIMIT_MS else 'NOT within'} {_LIMIT_MS} ms")


def _looks(connection: Connection, users: int) -> dict[str, Callable[[], Any]]:
    """What people do with the list."""

    def page(**wanted: Any) -> Callable[[], Any]:
        return lambda: list_people(connection, **({"page": 1, "per_page": 20, "sort": "created_at"} | wanted))

    one = list_people(connection, page=1, per_page=1, sort="created_at").items[0]
    middle = (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=150 * users // 2)).isoformat()
    behind = f"{middle}~{one.id}"
    looks = {f"first page, sort={sort}": page(sort=sort) for sort in ("created_at", "-created_at", "username", "-username")}
    looks |= {f"page 100, sort={sort}": page(page=100, sort=sort) for sort in ("created_at", "-username")}
    looks |= {
        "deep, after half of them, sort=created_at": page(after=behind),
        "deep, after half of them, sort=-created_at": page(after=behind, sort="-created_at"),
        "deep, after half of them, sort=username": page(after="8", sort="username"),
        "search, one account": page(q=one.username),
        "search, an address": page(q=one.email),
        "search, nobody": page(q="zzzz"),
        "search, nobody, wildcards": page(q="%_%"),
        "search, four letters": page(q=one.username[:4]),
        "search, two letters": page(q=one.username[:2]),
        "search, one letter": page(q=one.username[:1]),
        "search, one letter, sort=username": page(q=one.username[:1], sort="username"),
        "search, one letter, page 100": page(q=one.username[:1], page=100),
        "search, last letter, sort=username": page(q="f", sort="username"),
        "search, last letter, sort=-username": page(q="f", sort="-username"),
        "search, one letter, role=viewer": page(q=one.username[:1], role="viewer"),
        "search by names only, two letters": page(q=one.username[:2], by_address=False),
        "role=admin": page(role="admin"),
        "role=moderator, sort=username": page(role="moderator", sort="username"),
        "role=viewer, sort=-created_at": page(role="viewer", sort="-created_at"),
        "role=user": page(role="user"),
        "role=user, page 100": page(role="user", page=100),
        "status=disabled": page(status="disabled"),
        "status=locked": page(status="locked"),
        "status=disabled, sort=username": page(status="disabled", sort="username"),
        "role=moderator, status=disabled, two letters": page(role="moderator", status="disabled", q=one.username[:2]),
    }
    return looks


def _measure(connection: Connection, options: argparse.Namespace, name: str, look: Callable[[], Any]) -> float:
    """The slowest statement of one look, by its median, in milliseconds."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    found = look()
    event.remove(connection, "before_cursor_execute", note)
    medians = []
    for kind, (statement, parameters) in zip(("count", "page"), seen, strict=True):
        times, plan = [], []
        for _ in range(options.runs):
            plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters).scalars().all()
            times.append(sum(float(line.split()[-2]) for line in plan if line.startswith(("Planning Time", "Execution Time"))))
        medians.append(statistics.median(times))
        print(f"{name:<46} {kind:<6} median {medians[-1]:7.2f} ms   slowest {max(times):7.2f} ms   {_how(plan)}")
        if options.plans:
            print("".join(f"    {line}\n" for line in plan))
    print(f"{'':<46} total  {found.total}, {len(found.items)} on the page")
    return max(medians)


def _how(plan: list[str]) -> str:
    """Which ways to the rows a plan takes."""
    ways = [line.strip().removeprefix("->").split("  (")[0].strip() for line in plan if " on " in line.split("(")[0]]
    return "; ".join(ways)


@contextmanager
def _database(url: str) -> Iterator[str]:
    """A migrated database."""
    from flask_migrate import upgrade  # noqa: PLC0415 - only needed here

    from secureapi import create_app  # noqa: PLC0415
    from support.sample_settings import make_settings  # noqa: PLC0415

    def migrated(address: str) -> str:
        app = create_app(make_settings(database_url=address, database_require_tls=False, log_level="ERROR"))
        with app.app_context():
            upgrade()
        return app.config["SQLALCHEMY_DATABASE_URI"]

    if url:
        yield migrated(url)
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
