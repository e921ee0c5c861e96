"""Settings that were changed while the server runs: the table of versions, and how each process learns of the newest one.

Every version is one row that is only ever inserted, and holds all overrides together: so one look at one row is enough, and there is
nothing to put together in the wrong order. Who may change what is decided in `auth/service/configuration.py`.
"""

import json
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import JSON, Connection, Integer, Row, Select, String, Uuid, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from secureapi.core.database import Base, Database, Moment, table_of
from secureapi.core.errors import Unavailable
from secureapi.core.statements import Statement
from secureapi.settings.in_force import SettingsInForce
from secureapi.settings.overrides import Overrides

COMMENT_LENGTH = 500
EFFECTIVE_WITHIN_SECONDS = 5
"""After so long a change counts on every worker that can ask the database."""
_LOOK_SECONDS = 2.0
"""After that one request looks into the database; the others go on with what is known."""
_STALE_SECONDS = 2.5
"""After that the others wait for it, as long as `_PATIENCE_SECONDS`."""
_PATIENCE_SECONDS = 0.25
_FIRST_PATIENCE_SECONDS = 2.0
"""The same in a process that has never looked: what it knows is only what its environment says."""
_log = structlog.get_logger(__name__)


class SettingsVersion(Base):
    """What was changed, by whom and why, and all overrides that are in force with it. Triggers on both engines refuse to change a row.

    There is no foreign key: the row outlives whoever made it.
    """

    __tablename__ = "settings_versions"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """One more than the one before. Of two who make the same one, the table takes one."""
    made_at: Mapped[datetime] = mapped_column(Moment)
    made_by: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    """Null for the command line of the server."""
    changes: Mapped[list[dict[str, str | None]]] = mapped_column(JSON)
    """`name`, `before` and `after`, each as text, or null where the environment decides."""
    comment: Mapped[str] = mapped_column(String(COMMENT_LENGTH))
    restored: Mapped[int | None] = mapped_column(Integer)
    """The version whose overrides these are again, where they are."""
    overrides: Mapped[dict[str, str]] = mapped_column(JSON)
    """All of them: texts by the names of settings."""


_TABLE = table_of(SettingsVersion)
_T = _TABLE.c
_NEWEST: Select[Any] = select(_T.number, _T.overrides).order_by(_T.number.desc()).limit(1)
_NEWEST_BY_NUMBER = Statement(_NEWEST)


def newest(connection: Connection) -> tuple[int, Overrides] | None:
    """Number and overrides of the newest version. None where nobody has ever changed anything."""
    found = connection.execute(_NEWEST).first()
    return (found.number, _as_texts(found.overrides)) if found else None


def find_overrides(connection: Connection, number: int) -> Overrides | None:
    """The overrides of one version. None for one that never was; of version 0 there are none."""
    if number == 0:
        return {}
    found = connection.execute(select(_T.overrides).where(_T.number == number)).one_or_none()
    return _as_texts(found.overrides) if found else None


def _as_texts(kept: Any) -> Overrides:
    """What a row has, as texts by names, whatever it has: another build may have written it, or somebody by hand.

    What makes no sense then is found unusable by its name, as any other text.
    """
    if not isinstance(kept, Mapping):
        _log.warning("settings.unreadable", reason=type(kept).__name__)
        return {}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in kept.items()}


def add(connection: Connection, **version: Any) -> None:
    """Insert. Raises `IntegrityError` when somebody else has made the version with this number."""
    connection.execute(insert(_TABLE).values(version))


def list_versions(connection: Connection, *, page: int, per_page: int) -> tuple[Sequence[Row[Any]], int]:
    """A page of versions, newest first, and how many there are. Numbers have no gaps, so that every page is one range of the key."""
    total = connection.execute(select(func.coalesce(func.max(_T.number), 0))).scalar_one()
    last = total - (page - 1) * per_page
    columns = (_T.number, _T.made_at, _T.made_by, _T.changes, _T.comment, _T.restored)
    wanted: Select[Any] = select(*columns).where(_T.number <= last, _T.number > last - per_page).order_by(_T.number.desc())
    return connection.execute(wanted).all(), total


def find_versions(connection: Connection, numbers: Collection[int]) -> Sequence[Row[Any]]:
    """Who made these, and when."""
    wanted: Select[Any] = select(_T.number, _T.made_at, _T.made_by, _T.comment).where(_T.number.in_(numbers))
    return connection.execute(wanted).all()


class SettingsWatch:
    """How one process keeps up: one request every few seconds looks, at its very beginning, with no connection in hand.

    What is known stays in force while the database is away, and where it has no such table yet.
    """

    def __init__(self, *, database: Database, settings: SettingsInForce) -> None:
        self._database = database
        self._settings = settings
        self._looking = threading.Lock()
        self._look_again_at = self._wait_from = float("-inf")
        self._has_looked = False
        self._has_no_table: Any = database.reader.dialect.loaded_dbapi.ProgrammingError

    @property
    def is_due(self) -> bool:
        """Whether somebody should look."""
        return time.monotonic() >= self._look_again_at

    def keep_up(self) -> None:
        """Look, when it is time to, and unless somebody else does."""
        if not self.is_due:
            return
        patience = _PATIENCE_SECONDS if self._has_looked else _FIRST_PATIENCE_SECONDS
        if not self._looking.acquire(timeout=patience if time.monotonic() >= self._wait_from else 0):
            return
        try:
            if self.is_due:
                with suppress(Unavailable):
                    self._look()
        finally:
            self._looking.release()

    def look(self) -> None:
        """Look now. Raises `Unavailable`."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        began, known = time.monotonic(), self._settings.version
        try:
            found = self._database.run(_NEWEST_BY_NUMBER)
        except self._has_no_table as error:
            _log.warning("settings.unreadable", reason=type(error).__name__)
            return
        finally:
            self._look_again_at, self._wait_from = began + _LOOK_SECONDS, began + _STALE_SECONDS
            self._has_looked = True
        number, overrides = (found.number, _as_texts(found.overrides)) if found else (0, {})
        if (number, overrides) != (known.number, known.overrides) and self._settings.follow(known, number, overrides):
            # A lower number: the database was put back to what it was. Others that start now know nothing else.
            _log.info("settings.learned" if number > known.number else "settings.went_back", version=number)
