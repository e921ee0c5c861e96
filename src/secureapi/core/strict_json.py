"""JSON as a security API must read it: RFC 8259, I-JSON (RFC 7493), and nothing that two parsers could read differently.

The standard library takes NaN, 1e400, duplicate keys, lone surrogates and numbers of any length; some of these reach the
database and fail there, others let two programs see different values in one text. All of them are refused here.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NoReturn

from secureapi.core.errors import Fault, Invalid, Malformed

DEPTH = 16
"""How deep objects and arrays may nest."""
_ITEMS = 10_000
"""How many commas a body may have: a megabyte of zeros would become hundreds of megabytes of objects."""
_LARGEST_INTEGER = 2**53 - 1
_DIGITS = 20
_FAULTS_SHOWN = 20
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL cannot store, and surrogates that no UTF-8 can carry."""


class _Refused(ValueError):
    """Not acceptable JSON; the message says why and repeats nothing."""


def parse_json(body: bytes) -> Any:
    """The value of a JSON text. Raises `Malformed` (400) with the reason, or `Invalid` (422) for text nobody could store."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(detail="The body is not UTF-8.") from None
    if text.startswith("\ufeff"):
        raise Malformed(detail="The body begins with a byte order mark.")
    if text.count(",") > _ITEMS:
        raise Malformed(detail=f"The body has more than {_ITEMS} items.")
    try:
        value = _DECODER.decode(text)
    except _Refused as refused:
        raise Malformed(detail=str(refused)) from None
    except RecursionError:
        raise Malformed(detail=f"The body nests deeper than {DEPTH} levels.") from None
    except ValueError:
        raise Malformed(detail="The body is not valid JSON.") from None
    _refuse_depth(value)
    # In a text that is UTF-8 and JSON they can only hide behind an escape.
    if "\\u" in text:
        faults = list(islice(_unstorable("", value), _FAULTS_SHOWN))
        if faults:
            raise Invalid(faults=faults)
    return value


def storable(text: str) -> bool:
    """Whether a text can be stored and sent: no NUL, no lone surrogate."""
    return _UNSTORABLE.search(text) is None


def _refuse_depth(root: Any) -> None:
    """Level by level, without recursion: the depth is what is in question."""
    level = [root]
    for _ in range(DEPTH + 1):
        containers = [value for value in level if isinstance(value, dict | list)]
        if not containers:
            return
        level = [inner for value in containers for inner in _inside(value)]
    raise Malformed(detail=f"The body nests deeper than {DEPTH} levels.")


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _unstorable(pointer: str, value: Any) -> Iterator[Fault]:
    """Every text, field names included, that cannot be stored. Pointers are made on the way and thrown away: none is kept for nothing."""
    if isinstance(value, str):
        if not storable(value):
            yield Fault(pointer, "unstorable_text", "Text must not contain NUL or unpaired surrogates.")
    elif isinstance(value, dict):
        for key, item in value.items():
            below = f"{pointer}/{pointer_token(key)}"
            yield from _unstorable(below, key)
            yield from _unstorable(below, item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable(f"{pointer}/{index}", item)


def pointer_token(key: str) -> str:
    """A key as a reference token (RFC 6901 section 3); `?` for one that would carry a stranger's text back."""
    return key if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", key) else "?"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Refused("The body has the same field twice in one object.")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS or abs(int(digits)) > _LARGEST_INTEGER:
        raise _Refused("The body has an integer beyond 2^53, which not every program can read.")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits) if len(digits) <= 4 * _DIGITS else float("inf")
    if value in {float("inf"), float("-inf")}:
        raise _Refused("The body has a number that is too large or too long.")
    return value


def _constant(_name: str) -> NoReturn:
    raise _Refused("The body has NaN or Infinity, which JSON does not know.")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
