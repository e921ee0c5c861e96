"""Many rows in one statement.

PostgreSQL gets them as one JSON text (`json_to_recordset`): it takes that apart in a third of the time in which it parses as many VALUES,
and nobody has to put thousands of parameters into a statement. SQLite runs one statement for each row, as it always does.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Table, Text, bindparam, cast, column, func, select

from secureapi.core.database import insert_or_update

_Rows = Sequence[Mapping[str, Any]]


def insert_many(connection: Connection, table: Table, rows: _Rows, *, common: Mapping[str, Any] | None = None) -> None:
    """Insert rows that all have the same columns. `common` are values of further columns, alike in all of them."""
    if rows:
        statement, values = _statement(connection, table, rows, common or {})
        connection.execute(statement, values)


def insert_free(
    connection: Connection, table: Table, rows: _Rows, *, common: Mapping[str, Any] | None = None, returning: Column[Any]
) -> set[Any]:
    """Insert those whose unique values are free, and give this column of theirs. Of two that want the same the first gets it."""
    if not rows:
        return set()
    statement, values = _statement(connection, table, rows, common or {})
    return set(connection.scalars(statement.on_conflict_do_nothing().returning(returning), values))


def _statement(connection: Connection, table: Table, rows: _Rows, common: Mapping[str, Any]) -> tuple[Any, Any]:
    insert = insert_or_update(connection.dialect)(table)
    if connection.dialect.name != "postgresql":
        return insert, [{**common, **row} for row in rows]
    names = list(rows[0])
    texts = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    read = texts.table_valued(*(column(name, table.c[name].type) for name in names)).render_derived(name="r", with_types=True)
    wanted = select(*(read.c[name] for name in names), *(bindparam(name, type_=table.c[name].type) for name in common))
    written = json.dumps(rows, ensure_ascii=False, separators=(",", ":"), default=_written)
    return insert.from_select([*names, *common], wanted), {"rows": written, **common}


def _written(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    raise TypeError("only aware moments and what JSON has can be inserted this way")
