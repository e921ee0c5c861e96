"""A table of cases that are tried in one test, for tests of which a single one costs less than pytest's own work for it."""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from support.cases import Cases

_TABLES = "_tables_of_each"


def each(
    names: str | tuple[str, ...], rows: Iterable[Any], *, ids: Callable[[Any], str] | Iterable[object] | None = None
) -> Callable[..., Any]:
    """As `pytest.mark.parametrize`, but all rows are one test: each is tried whatever the others do, and each that fails is named.

    Fixtures are made once and shared by the rows, so that no row may leave anything behind that another would notice. Several of
    these above one test are multiplied.
    """
    names = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    rows = list(rows)
    if ids is None:
        told: list[object] = [f"{', '.join(names)} = {row!r:.100}" for row in rows]
    else:
        told = [ids(row) for row in rows] if callable(ids) else list(ids)
    table = [(label, dict(zip(names, (row,) if len(names) == 1 else row, strict=True))) for label, row in zip(told, rows, strict=True)]

    def around(test: Callable[..., None]) -> Callable[..., None]:
        row_of, tables = getattr(test, _TABLES, (test, ()))
        tables = (table, *tables)

        @functools.wraps(row_of)
        def of_all(*itself: Any, **fixtures: Any) -> None:
            with Cases() as case:
                for combination in itertools.product(*tables):
                    with case(*(label for label, _ in combination)):
                        row_of(*itself, **fixtures, **{name: value for _, row in combination for name, value in row.items()})

        given = {name for one in tables for _, row in one for name in row}
        signature = inspect.signature(row_of)
        of_all.__signature__ = signature.replace(parameters=[p for name, p in signature.parameters.items() if name not in given])  # type: ignore[attr-defined]
        del of_all.__wrapped__  # type: ignore[attr-defined]
        setattr(of_all, _TABLES, (row_of, tables))
        return of_all

    return around
