"""Statements on the hottest paths: put together once, and then run on the driver's own cursor.

SQLAlchemy still writes the SQL and still knows how each type is stored. What is left out is what it does anew on every execution.
PostgreSQL likewise plans them once for each connection: for a rotation, planning costs more than running. `Database.run` runs them.
"""

import hashlib
import re
from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Select, UpdateBase
from sqlalchemy.types import TypeEngine

_Process = Callable[[Any], Any]
_PLACE = re.compile(r"%%|%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement that the server keeps for a connection (PREPARE and EXECUTE)."""

    name: str
    """Follows from all that is kept, so that whoever finds the name in use on a shared connection finds the same statement under it."""
    prepare: str
    """Takes the fixed values."""
    execute: str
    """Takes the others."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in the words of one dialect."""

    sql: str
    fixed: Mapping[str, Any]
    """Values that stand in the statement itself, as the driver takes them."""
    order: tuple[str, ...] | None
    """The names of the values in the order of their places, for drivers that count; None for those that go by name."""
    into: tuple[tuple[str, _Process], ...]
    """What turns values into what the driver takes, where that is not the same."""
    out_of: tuple[tuple[int, _Process], ...]
    """What turns columns into values, likewise."""
    row: Callable[..., Any]
    kept: Kept | None
    """None for a database that has nothing of the kind."""

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """The values as the driver takes them."""
        named = {**self.fixed, **values}
        for name, process in self.into:
            named[name] = process(named[name])
        return named if self.order is None else [named[name] for name in self.order]

    def result(self, columns: tuple[Any, ...] | None) -> Any | None:
        """A row with its columns by name; None for none."""
        if columns is None:
            return None
        if not self.out_of:
            return self.row(*columns)
        values = list(columns)
        for place, process in self.out_of:
            values[place] = process(values[place])
        return self.row(*values)


class Statement:
    """A statement of SQLAlchemy's, whose values are all `bindparam`s or constants.

    Not for columns of numbers with a point: SQLAlchemy reads those by what the driver says of each answer.
    """

    def __init__(self, source: Select[Any] | UpdateBase) -> None:
        self._source = source
        self._prepared: dict[str, Prepared] = {}

    def on(self, dialect: Dialect) -> Prepared:
        """The statement in the words of this dialect, put together when it is first asked for."""
        found = self._prepared.get(dialect.name)
        return found or self._prepared.setdefault(dialect.name, self._prepare(dialect))

    def _prepare(self, dialect: Dialect) -> Prepared:
        compiled = self._source.compile(dialect=dialect)
        bound = {name: parameter for parameter, name in compiled.bind_names.items()}
        types = {name: _process(parameter.type, dialect, "bind_processor") for name, parameter in bound.items()}
        columns = list(self._source.exported_columns)
        reading = [_process(column.type, dialect, "result_processor", None) for column in columns]
        given = {name: parameter.effective_value for name, parameter in bound.items() if not parameter.required}
        fixed = {name: process(value) if (process := types[name]) else value for name, value in given.items()}
        asked = {name: parameter.type.compile(dialect) for name, parameter in bound.items() if name not in fixed}
        return Prepared(
            sql=str(compiled),
            fixed=fixed,
            order=tuple(compiled.positiontup) if compiled.positiontup is not None else None,
            into=tuple((name, process) for name, process in types.items() if process and name not in fixed),
            out_of=tuple((place, process) for place, process in enumerate(reading) if process),
            row=namedtuple("Row", [column.key for column in columns]),  # type: ignore[misc]  # noqa: PYI024 - its fields are only known here
            kept=_kept(str(compiled), fixed, asked) if dialect.name == "postgresql" else None,
        )


def _kept(sql: str, fixed: Mapping[str, Any], types: Mapping[str, str]) -> Kept:
    """`types` are those of the values that differ from one execution to the next."""
    places = {value: f"${place}" for place, value in enumerate(types, start=1)}
    body = _PLACE.sub(lambda found: places.get(found[1] or "", found[0]), sql)
    whole = repr((body, sorted(fixed.items()), list(types.items())))
    name = "secureapi_" + hashlib.sha256(whole.encode()).hexdigest()[:16]
    if not types:
        # Empty parentheses are none of the grammar.
        return Kept(name, f"PREPARE {name} AS {body}", f"EXECUTE {name}")
    values = ", ".join(f"%({value})s" for value in types)
    return Kept(name, f"PREPARE {name} ({', '.join(types.values())}) AS {body}", f"EXECUTE {name} ({values})")


def _process(kind: TypeEngine[Any], dialect: Dialect, which: str, *args: Any) -> _Process | None:
    found: _Process | None = getattr(kind.dialect_impl(dialect), which)(dialect, *args)
    return found
