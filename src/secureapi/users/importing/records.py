"""Cutting a file into records, without ever holding more of it than one. Three kinds: CSV, NDJSON, and a JSON document with a list.

A record that cannot be read is given with its fault, and the next one is looked for behind it. What decides whether a file is read on is
bounded: lines, records, lines of one record. Faults name the place and the reason, never what stands there.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from secureapi.core.errors import Fault, Invalid, Malformed
from secureapi.core.strict_json import parse_json, storable
from secureapi.users.importing.json_pieces import JsonPieces

MOST_RECORD_BYTES = 256 * 1024
"""A record with all that other systems keep of a person; a tenth of it is common."""
MOST_FIELD_CHARACTERS = 64 * 1024
_FEW_LINES, _MOST_LINES = 20, 520
"""Lines of one CSV record: an open quotation mark takes no more than a few with it. More are a text of many lines, if they are a record."""
_MOST_COLUMNS = 200
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file, in the order of the file."""

    number: int
    """From 1 on; the heading of a CSV file does not count."""
    line: int | None
    """Where it begins, from 1 on; None in a JSON document."""
    content: bytes = field(repr=False)
    """The bytes that it was read from: by these it is known again."""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    faults: tuple[Fault, ...] = ()
    """Why it could not be read; then there are no fields."""


class _Lines:
    """The lines of a file, none of them longer than is allowed; what was read too much can be given back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._returned: deque[tuple[int, bytes, bool]] = deque()
        self._number = 0

    def next(self) -> tuple[int, bytes, bool] | None:
        """Number, bytes, and whether these are all; None at the end. A line that is too long is read over."""
        if self._returned:
            return self._returned.popleft()
        data = self._file.readline(MOST_RECORD_BYTES)
        if not data:
            return None
        self._number += 1
        if self._number == 1:
            data = data.removeprefix(_BOM)
        is_whole = data.endswith(b"\n") or len(data) < MOST_RECORD_BYTES
        rest = b"" if is_whole else data
        while rest and not rest.endswith(b"\n"):
            rest = self._file.readline(MOST_RECORD_BYTES)
        return self._number, data, is_whole

    def give_back(self, lines: list[tuple[int, bytes, bool]]) -> None:
        self._returned.extendleft(reversed(lines))


def read_ndjson(file: BinaryIO) -> Iterator[Record]:
    """One JSON object a line; empty lines do not count."""
    lines, number = _Lines(file), 0
    while line := lines.next():
        at, data, is_whole = line
        if is_whole and not data.strip():
            continue
        number += 1
        yield _json_record(number, at, data.rstrip(b"\r\n"), is_whole=is_whole)


def _json_record(number: int, line: int | None, data: bytes, *, is_whole: bool) -> Record:
    if not is_whole:
        return Record(number, line, data, faults=(TOO_LONG,))
    try:
        fields = parse_json(data)
    except Malformed as refused:
        detail = refused.sentence.replace("The body", "The row", 1)
        return Record(number, line, data, faults=(Fault("", "malformed_row", detail),))
    except Invalid as refused:
        return Record(number, line, data, faults=tuple(refused.faults))
    if not isinstance(fields, dict):
        return Record(number, line, data, faults=(NO_OBJECT,))
    return Record(number, line, data, fields)


def read_csv(file: BinaryIO, *, required: frozenset[str], known: frozenset[str] | None = None) -> Iterator[Record]:
    """RFC 4180 with commas, in UTF-8, under a heading. Raises `Malformed` for a heading without `required`, or with more than `known`."""
    lines, number = _Lines(file), 0
    first = lines.next()
    heading = _csv_fields([first]) if first else None
    if heading is None:
        raise Malformed(detail="The first line is not a heading: UTF-8 text with commas between the names of columns. Is it compressed?")
    _refuse_heading(heading, required, known)
    while line := lines.next():
        if line[2] and not line[1].strip():
            continue
        number += 1
        taken = _whole_record(lines, line, columns=len(heading))
        yield _csv_record(number, taken, heading)


def _refuse_heading(heading: list[str], required: frozenset[str], known: frozenset[str] | None) -> None:
    if len(heading) > _MOST_COLUMNS:
        raise Malformed(detail=f"The heading has more than {_MOST_COLUMNS} columns.")
    if len(set(heading)) < len(heading) or "" in heading:
        raise Malformed(detail="The heading has the same column twice, or one without a name.")
    missing = sorted(required - set(heading))
    if missing:
        raise Malformed(detail=f"The heading lacks: {', '.join(missing)}.")
    strange = [str(place) for place, name in enumerate(heading, start=1) if known is not None and name not in known]
    if strange and known is not None:
        raise Malformed(
            detail=f"The heading has columns that are not known (number {', '.join(strange)}). Known: {', '.join(sorted(known))}."
        )


def _whole_record(lines: _Lines, first: tuple[int, bytes, bool], *, columns: int) -> list[tuple[int, bytes, bool]]:
    """The lines of the record that begins with this one: as many as it takes until no quotation mark is open.

    When that does not come soon, or what comes is no record after all, the first line alone is the bad one: whoever forgot a quotation
    mark must not lose those behind him.
    """
    taken, marks, size = [first], first[1].count(b'"'), len(first[1])
    while marks % 2 and taken[-1][2]:
        further = lines.next()
        if further:
            taken.append(further)
            marks, size = marks + further[1].count(b'"'), size + len(further[1])
        if further is None or len(taken) > _MOST_LINES or size > MOST_RECORD_BYTES:
            lines.give_back(taken[1:])
            return [first]
    if len(taken) > _FEW_LINES and len(_csv_fields(taken) or ()) != columns:
        lines.give_back(taken[1:])
        return [first]
    return taken


def _csv_record(number: int, taken: list[tuple[int, bytes, bool]], heading: list[str]) -> Record:
    at, content = taken[0][0], b"".join(data for _, data, _ in taken)
    if not all(is_whole for _, _, is_whole in taken):
        return Record(number, at, content, faults=(TOO_LONG,))
    values = _csv_fields(taken)
    if values is None:
        return Record(number, at, content, faults=(_NO_CSV,))
    if len(values) != len(heading):
        return Record(number, at, content, faults=(_RAGGED,))
    faults = [_too_long(name) for name, value in zip(heading, values, strict=True) if len(value) > MOST_FIELD_CHARACTERS]
    faults += [_unstorable(name) for name, value in zip(heading, values, strict=True) if not storable(value)]
    if faults:
        return Record(number, at, content, faults=tuple(faults))
    return Record(number, at, content, dict(zip(heading, values, strict=True)))


def _csv_fields(taken: list[tuple[int, bytes, bool]]) -> list[str] | None:
    """The fields of one record; None where it is none."""
    try:
        texts = [data.decode("utf-8") for _, data, _ in taken]
        read = list(csv.reader(texts, strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    return read[0] if len(read) == 1 else None


def read_json_list(file: BinaryIO, *, name: str = "users") -> Iterator[Record]:
    """The objects of the list with this name in a JSON document, or of the document, where that is a list. Raises `Malformed` for none.

    A document that ends before the list does leaves a record that says so behind those that were whole.
    """
    for number, piece in enumerate(JsonPieces(file, most_bytes=MOST_RECORD_BYTES).list_called(name), start=1):
        if piece.is_cut_off:
            yield Record(number, None, piece.content, faults=(_CUT_OFF,))
        else:
            yield _json_record(number, None, piece.content, is_whole=not piece.is_too_long)


def _too_long(name: str) -> Fault:
    return Fault(f"/{_shown(name)}", "too_long", f"This is longer than {MOST_FIELD_CHARACTERS} characters.")


def _unstorable(name: str) -> Fault:
    return Fault(f"/{_shown(name)}", "unstorable_text", "Text must not contain NUL or unpaired surrogates.")


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "?"


TOO_LONG = Fault("", "too_long", f"The row is longer than {MOST_RECORD_BYTES // 1024} KiB.")
NO_OBJECT = Fault("", "malformed_row", "The row is not a JSON object.")
_CUT_OFF = Fault(
    "", "cut_off", "The document ends in the middle: whoever came after this is not in it. Is a quotation mark or a bracket missing?"
)
_NO_CSV = Fault("", "malformed_row", "The row is not CSV in UTF-8: is a quotation mark left open?")
_RAGGED = Fault("", "ragged_row", "The row has more or fewer fields than the heading has columns.")
