"""Statements on many accounts at once, for importing and exporting. They go round the unit of work, so that nobody notes the changed rows
for whoever runs them: he writes their events himself, in the same transaction (`Trail.record_inserts`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, or_, select

from secureapi.core.database import Database, table_of
from secureapi.core.many_rows import insert_free
from secureapi.users.models import User
from secureapi.users.repository import STATUS
from secureapi.users.rules import NO_PASSWORD

_TABLE = table_of(User)
_U = _TABLE.c
_PAGE = 1000
_SHOWN = (
    _U.id,
    _U.username,
    _U.email,
    _U.full_name,
    _U.bio,
    _U.website,
    _U.role,
    STATUS,
    _U.email_verified_at,
    _U.created_at,
    _U.updated_at,
)

_HASH = case((_U.password_refused_since.is_not(None), NO_PASSWORD), else_=_U.password_hash).label("password_hash")
"""Of a password that opens nothing any more nothing goes elsewhere, where it would open the account again."""


def insert_accounts(connection: Connection, rows: Sequence[dict[str, Any]], *, common: Mapping[str, Any]) -> set[str]:
    """Insert those whose id, name and address are free, and give their ids. Whoever has them already stays as he is."""
    return insert_free(connection, _TABLE, rows, common=common, returning=_U.id)


def ids_among(connection: Connection, ids: Collection[str]) -> set[str]:
    """Which of these ids there are."""
    return set(connection.scalars(select(_U.id).where(_U.id.in_(ids)))) if ids else set()


def usernames_among(connection: Connection, canonical: Collection[str]) -> set[str]:
    """Which of these canonical usernames are taken."""
    if not canonical:
        return set()
    return set(connection.scalars(select(_U.username_canonical).where(_U.username_canonical.in_(canonical))))


def taken_among(connection: Connection, *, emails: Collection[str], usernames: Collection[str]) -> dict[str, str]:
    """Which of these canonical addresses and usernames are taken, with the id of whoever has each. A username has no @."""
    wanted = select(_U.id, _U.email_canonical, _U.username_canonical).where(
        or_(_U.email_canonical.in_(emails), _U.username_canonical.in_(usernames))
    )
    found = connection.execute(wanted).all()
    return {name: row.id for row in found for name in (row.email_canonical, row.username_canonical)}


def every_account(
    database: Database, *, now: datetime, with_hashes: bool, role: str | None = None, status: str | None = None
) -> Iterator[Sequence[Row[Any]]]:
    """All accounts in the order of their ids, page by page, those whose locks have fallen by then among the active ones.

    No transaction is held open between two pages, however slowly they are read.
    """
    columns = (*_SHOWN, _HASH) if with_hashes else _SHOWN
    wanted = select(*columns).order_by(_U.id).limit(_PAGE)
    wanted = wanted.where(_U.role == role) if role else wanted
    wanted = wanted.where(STATUS.element == status) if status else wanted
    last: str | None = None
    while True:
        with database.reading() as connection:
            page = connection.execute(wanted.where(_U.id > last) if last else wanted, {"now": now}).all()
        if page:
            yield page
        if len(page) < _PAGE:
            return
        last = page[-1].id
