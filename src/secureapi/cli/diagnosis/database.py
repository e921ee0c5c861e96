"""The database itself: there, new enough, encrypted, with the same clock, and with room for every worker."""

import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import parse_qs

from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from secureapi.cli.diagnosis.finding import Finding, clock_finding, failing, ok, warning
from secureapi.core.database import reading_engine
from secureapi.settings import Settings

_OLDEST_POSTGRESQL = 120_000
_OLDEST_SQLITE = (3, 35, 0)
"""RETURNING came with it."""
_VERIFYING = frozenset({"verify-ca", "verify-full"})
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_CAUSES = {
    "password authentication failed": "the server refuses the user or the password",
    "no password supplied": "the server asks for a password",
    "does not exist": "the server knows no such user or database",
    "connection refused": "nothing listens at that address",
    "could not translate host name": "the host's name is not known",
    "certificate verify failed": "the server's certificate is not one that is trusted",
    "root certificate file": "the file that sslrootcert names cannot be read",
    "does not support ssl": "the server does not speak TLS",
    "pg_hba.conf rejects": "the server does not let this machine, user or database in, or not without TLS",
    "no pg_hba.conf entry": "the server does not let this machine, user or database in",
    "timeout expired": "it does not answer in time",
    "too many connections": "the server has no connection left",
    "too many clients": "the server has no connection left",
    "no such file or directory": "its socket or file is not there",
    "unable to open database file": "the file cannot be opened",
    "not a database": "the file is not an SQLite database",
    "database is locked": "somebody holds its lock",
}
"""Pieces of what drivers say, and what we say instead: their own words may have a host, a user or worse in them."""


def examine_database(settings: Settings) -> list[Finding]:
    """Look at the database over a connection of the kind that the server uses."""
    address = make_url(settings.database_url)
    file = address.database if settings.is_embedded_database else None
    if settings.is_embedded_database and file in {None, "", ":memory:"}:
        return [warning("database", "SQLite in memory: nothing is kept", "Set DATABASE_URL to a file or to PostgreSQL.")]
    if file:
        missing = _missing_file(Path(file))
        if missing:
            return [missing]
    engine = reading_engine(settings)
    try:
        with engine.connect() as connection:
            return _of_sqlite(connection) if file else _of_postgresql(connection, settings)
    except SQLAlchemyError as error:
        remedy = "Check DATABASE_URL, and that the server is up and lets this machine in."
        return [failing("database", f"cannot be used: {_cause_of(error)}", remedy)]
    finally:
        engine.dispose()


def _missing_file(file: Path) -> Finding | None:
    """Looked at first: connecting would make an empty file and call it a database."""
    if not file.exists():
        return failing("database", "the file that DATABASE_URL names is not there", "Run: flask init")
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
        return failing("database", "the file or its folder cannot be written", "Give both to the user that runs the server.")
    return None


def _of_sqlite(connection: Connection) -> list[Finding]:
    connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        return [failing("database", f"SQLite {version} is too old", "Use a Python with SQLite 3.35 or newer.")]
    return [
        ok("database", f"SQLite {version}, reached"),
        ok("database TLS", "not needed: a file"),
        ok("database clock", "this machine's own"),
    ]


def _of_postgresql(connection: Connection, settings: Settings) -> list[Finding]:
    number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    version = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    if number < _OLDEST_POSTGRESQL:
        reached = failing("database", f"{version} is too old", "Use PostgreSQL 12 or newer.")
    elif connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        reached = failing("database", f"{version} only reads: it is a standby", "Let DATABASE_URL name the primary server.")
    else:
        reached = ok("database", f"{version}, reached")
    return [reached, _encryption(connection, settings), _clock(connection), _room(connection, settings)]


def _encryption(connection: Connection, settings: Settings) -> Finding:
    """What the server says about this very connection, not what the address asks for."""
    name = "database TLS"
    row = connection.execute(text("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).one_or_none()
    if row is not None and row.ssl:
        (mode, *_) = parse_qs(settings.database_url.partition("?")[2]).get("sslmode", ["require"])
        if mode in _VERIFYING:
            return ok(name, f"{row.version}, the server's certificate is checked")
        says = f"{row.version}, but anybody could pose as the server: its certificate is not checked"
        return warning(name, says, "Use sslmode=verify-full with sslrootcert in DATABASE_URL.")
    host = make_url(settings.database_url).host or ""
    if not host or host.startswith("/") or host in _LOCAL_HOSTS:
        return ok(name, "not encrypted, and never leaves this machine")
    remedy = "Use sslmode=verify-full in DATABASE_URL, and remove DATABASE_REQUIRE_TLS=false."
    return failing(name, "passwords and personal data go over the network in the clear", remedy)


def _clock(connection: Connection) -> Finding:
    before = time.time()
    theirs = float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    return clock_finding("database clock", "the database", theirs - (before + time.time()) / 2)


def _room(connection: Connection, settings: Settings) -> Finding:
    """Whether the server has a connection for every one that the workers may open."""
    most = int(connection.execute(text("SHOW max_connections")).scalar_one())
    wanted = settings.web_concurrency * 2 * (settings.database_pool_size or max(2, settings.web_threads // 4))
    says = f"{wanted} may be opened from here, {most} are accepted"
    if wanted < most:
        return ok("database connections", says)
    remedy = "Lower DATABASE_POOL_SIZE or WEB_THREADS, raise max_connections, or put a pooler in between."
    return warning("database connections", says, remedy)


def _cause_of(error: SQLAlchemyError) -> str:
    said = str(getattr(error, "orig", error)).lower()
    return next((ours for theirs, ours in _CAUSES.items() if theirs in said), type(error).__name__)
