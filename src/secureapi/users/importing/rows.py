"""Rows that come with a request, a few at a time: the same records as out of a file, so that the same looks are taken at them.

What administrators set nowhere else stays out: when somebody came, and when he confirmed his address, are for the command line of the
server, where the file of the other system is. So are passwords in plain text: hashing each takes a quarter of a second.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from secureapi.core.errors import Fault
from secureapi.users.importing.formats.own import COLUMNS
from secureapi.users.importing.records import MOST_RECORD_BYTES, NO_OBJECT, TOO_LONG, Record

MOST_ROWS = 100
_NOT_HERE = ("created_at", "email_verified_at", "password")


def read_rows(rows: Sequence[Any], *, are_cells: bool) -> Iterator[Record]:
    """One record for each. `are_cells` says that every value is text, as in a table."""
    for number, row in enumerate(rows, start=1):
        content = json.dumps(row, sort_keys=True).encode()
        faults = [TOO_LONG] if len(content) > MOST_RECORD_BYTES else _faults_of(row, are_cells=are_cells)
        yield Record(number, None, content, {} if faults else row, tuple(faults))


def _faults_of(row: Any, *, are_cells: bool) -> list[Fault]:
    if not isinstance(row, dict):
        return [NO_OBJECT]
    faults = [
        Fault(f"/{name}", "not_settable", "This is taken at the command line only.")
        for name in _NOT_HERE
        if row.get(name) is not None and row[name] != ""
    ]
    if are_cells:
        strange = sorted({name if name in COLUMNS else "?" for name, value in row.items() if not isinstance(value, str)})
        faults += [Fault(f"/{name}", "type", "Text is expected.") for name in strange]
    return faults
