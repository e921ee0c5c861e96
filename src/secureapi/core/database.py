"""The database: engine, transactions, portable column types. What SQLite and PostgreSQL do differently is here or in migrations.

Services ask for `Database.transaction()`, one a use case, `Database.reading()` for looks that need no transaction, and
`Database.run()` for the one statement of a hot path. When the database is not there, they raise `Unavailable`, which becomes a 503.
"""

import select
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import structlog
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, Connection, DateTime, Dialect, Engine, MetaData, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.types import TypeDecorator

from secureapi.core.errors import Unavailable
from secureapi.core.requests import Client
from secureapi.core.statements import Prepared, Statement
from secureapi.settings import Settings

_log = structlog.get_logger(__name__)
_RETRY_AFTER_SECONDS = 2
_FRESH_SECONDS = 0.5
"""A connection that was lent so short a time ago is not looked at: under load each look would let go of the interpreter."""
_READ_ONLY_TRANSACTION = "25006"
"""SQLSTATE of a write to a server that only reads just now (PostgreSQL Appendix A): a standby, or one that is full."""

_LOST_AT_MOST = 20
"""So often a kept statement may be missing before this process stops keeping any: then a pooler stands between us and the server."""


class Base(DeclarativeBase):
    """Every model derives from this one. The names of constraints are fixed, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def table_of(model: type[Base]) -> Table:
    """The table of a model, for statements that go round the unit of work."""
    return cast("Table", model.__table__)


class Moment(TypeDecorator[datetime]):
    """An aware moment. PostgreSQL keeps `timestamptz`; SQLite keeps UTC text, and gets its zone back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


db: SQLAlchemy = SQLAlchemy(model_class=Base)
"""Flask-SQLAlchemy's object: it owns the engine, and is the session of people who build blueprints on secureapi."""


def engine_options(settings: Settings) -> dict[str, Any]:
    """What the engine is made with, for Flask-SQLAlchemy."""
    patience = settings.database_timeout_seconds
    pool: dict[str, Any] = {
        "hide_parameters": True,
        "pool_size": settings.database_pool_size or max(2, settings.web_threads // 4),
        "max_overflow": 0,
        "pool_timeout": patience,
    }
    if settings.is_embedded_database:
        if settings.sqlite_path is None:
            return {"connect_args": {"check_same_thread": False}}
        return pool | {"connect_args": {"timeout": patience}}
    milliseconds = int(patience * 1000)
    connect: dict[str, Any] = {
        "connect_timeout": max(2, round(patience)),
        "application_name": "secureapi",
        # A server that drops off the network says nothing any more: the kernel would wait a quarter of an hour for it.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": milliseconds * 2,
        "options": f"-c timezone=UTC -c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout=30000",
    }
    if settings.database_require_tls and "sslmode" not in parse_qs(urlsplit(settings.database_url).query):
        connect["sslmode"] = "require"
    return pool | {"pool_recycle": 1800, "pool_use_lifo": True, "connect_args": connect}


def reading_engine(settings: Settings) -> Engine:
    """A second engine on the same database, for `Database.reading()`."""
    return create_engine(
        settings.database_url,
        **engine_options(settings),
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        skip_autocommit_rollback=True,
    )


class Database:
    """Transactions and single looks over one engine."""

    def __init__(self, engine: Engine, reader: Engine) -> None:
        self.engine = engine
        self.reader = reader
        """The same database in autocommit: connections of their own, since switching one over costs as much as a small select."""
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._driver: Any = reader.dialect.loaded_dbapi
        self.before_commit: Callable[[Session], None] = lambda _session: None
        """Is called with each unit of work that is about to be committed, and may refuse that."""
        self._lost = 0
        """How often a statement that the server was to keep was not there."""
        self.writes_at_once = engine.dialect.name == "postgresql"
        """Whether one statement can change one table and note it in another (data-modifying WITH)."""
        if engine.dialect.name == "sqlite":
            _teach_sqlite(engine)
            _teach_sqlite(reader)
            event.listen(engine, "begin", _begin_immediately)
        else:
            for each in (engine, reader):
                event.listen(each, "checkout", _refuse_dead)

    @contextmanager
    def transaction(self, client: Client | None = None) -> Iterator[Session]:
        """A unit of work: committed when the block ends, rolled back when it raises.

        A refusal that must be remembered is therefore raised *after* the block. `client` is who asked for it; the trail reads
        it from `session.info`. On SQLite the transaction takes the write lock at once (`BEGIN IMMEDIATE`).
        """
        with _translated(), self._sessions() as session:
            session.info["client"] = client
            with session.begin():
                yield session
                self.before_commit(session)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction without a unit of work, for use cases that run a few statements and hold no objects."""
        with _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection without a transaction around each statement: BEGIN and ROLLBACK would cost as much as the select."""
        with _translated(), self.reader.connect() as connection:
            yield connection

    def run(self, statement: Statement, **values: Any) -> Any | None:
        """Run one statement by itself, committed when it returns; the first row, by names, or None."""
        reader = self.reader
        prepared = statement.on(reader.dialect)
        try:
            borrowed = reader.raw_connection()
        except self._driver.Error as error:
            raise _unavailable(error) from error
        except PoolTimeout as error:
            raise _unavailable(error) from error
        try:
            row = self._first(borrowed, prepared, values)
        except self._driver.Error as error:
            is_gone = reader.dialect.is_disconnect(error, borrowed.dbapi_connection, None)
            if is_gone:
                borrowed.invalidate(error)
            if is_gone or isinstance(error, self._driver.OperationalError | self._driver.InterfaceError):
                raise _unavailable(error) from error
            if getattr(error, "pgcode", None) == _READ_ONLY_TRANSACTION:
                raise _unavailable(error) from error
            raise
        finally:
            borrowed.close()
        return prepared.result(row)

    def _first(self, borrowed: PoolProxiedConnection, prepared: Prepared, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        named = prepared.parameters(values)
        kept = prepared.kept if self._lost < _LOST_AT_MOST else None
        with closing(borrowed.cursor()) as cursor:
            if kept is None:
                cursor.execute(prepared.sql, named)
                return cast("tuple[Any, ...] | None", cursor.fetchone())
            there = borrowed.info.setdefault("kept", set())
            try:
                if kept.name not in there:
                    cursor.execute(kept.prepare, prepared.fixed)
                    there.add(kept.name)
                cursor.execute(kept.execute, named)
            except self._driver.Error as error:
                # Nothing was run. A pooler has given us another of its connections, or a migration has changed a table.
                match getattr(error, "pgcode", None):
                    case "26000" | "42P05":
                        there.discard(kept.name)
                        self._lost += 1
                    case "0A000":
                        there.discard(kept.name)
                        cursor.execute(f"DEALLOCATE {kept.name}")
                    case _:
                        raise
                cursor.execute(prepared.sql, named)
            return cast("tuple[Any, ...] | None", cursor.fetchone())

    def dispose(self, *, close: bool = True) -> None:
        """Let go of every connection when an application is done with; after a fork without closing what belongs to the parent."""
        self.engine.dispose(close=close)
        self.reader.dispose(close=close)

    def ping(self) -> None:
        """One statement there and back. Raises `Unavailable`."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))


def insert_or_update(dialect: Dialect) -> Any:
    """The dialect's `insert`, which has `on_conflict_do_update` on both engines."""
    return postgresql.insert if dialect.name == "postgresql" else sqlite.insert


def violated(error: IntegrityError) -> str:
    """The constraint that a statement has violated: it ends with the name of its last column. No value is in it."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return constraint or str(error.orig).partition(" constraint failed: ")[2]


def same_order(column: ColumnElement[str], dialect: Dialect) -> ColumnElement[str]:
    """A text that is sorted as bytes, under the other name that PostgreSQL has for this order. An index knows only one of the two."""
    return column.collate("POSIX") if dialect.name == "postgresql" else column


@contextmanager
def _translated() -> Iterator[None]:
    """A database that cannot answer becomes `Unavailable`. A statement that is wrong stays what it is: a defect of ours."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise _unavailable(error) from error
    except DBAPIError as error:
        if not error.connection_invalidated and getattr(error.orig, "pgcode", None) != _READ_ONLY_TRANSACTION:
            raise
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    """Say in the log what went wrong, without the driver's sentence: that may carry addresses and values."""
    original = getattr(error, "orig", error)
    _log.warning(
        "database.unavailable",
        reason=type(error).__name__,
        driver=type(original).__name__,
        sqlstate=getattr(original, "pgcode", None),
        sqlite=getattr(original, "sqlite_errorname", None),
    )
    return Unavailable(retry_after=_RETRY_AFTER_SECONDS)


def _refuse_dead(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Have the pool make new connections when PostgreSQL was restarted: on an idle one it speaks only to say goodbye.

    Without this look every connection that was in a pool at that moment would cost one caller a 503.
    """
    now, used_at = time.monotonic(), record.info.get("used_at")
    record.info["used_at"] = now
    if used_at is None or now - used_at < _FRESH_SECONDS:
        # Just made, so that its encryption may still have something to say, or just used. The pool forgets this with the connection.
        return
    idle = select.poll()
    idle.register(connection, select.POLLIN)
    if idle.poll(0):
        raise InvalidatePoolError


def _teach_sqlite(engine: Engine) -> None:
    """Foreign keys, which are off by default, and the write-ahead log, which lets readers go on while somebody writes."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()


def _begin_immediately(connection: Connection) -> None:
    """A deferred transaction that reads first and writes later would fail with "database is locked" without waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
