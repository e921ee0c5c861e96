"""Lists of accounts that people page through: narrowed, searched and sorted, at the same cost among a million as among some thousands.

That holds for whatever is asked for at once, however few or many it fits, and however those stand in the table. Each list is put together
from stretches of indexes. A stretch is what one index has side by side, in the order that is wanted: all of a role whose rows say the same
(`ListedAs`), or those of them whose names begin with something. From each no more is read than the answer can need, and nothing is passed
over on the way but locks that have fallen.

Single accounts are in `repository.py`.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Row,
    func,
    literal,
    select,
    true,
    tuple_,
    union,
    union_all,
)

from secureapi.core.database import same_order, table_of
from secureapi.core.errors import Fault, Invalid
from secureapi.core.identifiers import is_id
from secureapi.core.pages import Page
from secureapi.users.models import ListedAs, Status, User
from secureapi.users.repository import INVITED, LOCKED, NOW, RECORD
from secureapi.users.rules import MOST_FOUND, MOST_PASSED, canonical_text

_U = table_of(User).c
_ANY_TIME = true()
_FALLEN, _STANDING = _U.locked_until <= NOW, _U.locked_until > NOW
_Stretches = Sequence[tuple[ListedAs, ColumnElement[bool]]]
"""What the rows say, and what has to be so besides. No account is in two."""
_OF_STATUS: Mapping[str, _Stretches] = {
    Status.ACTIVE.value: ((ListedAs.ACTIVE, _ANY_TIME), (ListedAs.ENDING, _FALLEN)),
    INVITED: ((ListedAs.INVITED, _ANY_TIME), (ListedAs.ENDING_INVITED, _FALLEN)),
    LOCKED: ((ListedAs.LOCKED, _ANY_TIME), (ListedAs.ENDING, _STANDING), (ListedAs.ENDING_INVITED, _STANDING)),
    Status.DISABLED.value: ((ListedAs.DISABLED, _ANY_TIME),),
}
"""Who is meant by the words for what an account is: the same as in `RECORD`."""
_OF_ACTIVITY: Mapping[str, _Stretches] = {
    Status.ACTIVE.value: (*_OF_STATUS[Status.ACTIVE.value], *_OF_STATUS[INVITED]),
    Status.DISABLED.value: (*_OF_STATUS[Status.DISABLED.value], *_OF_STATUS[LOCKED]),
}
"""The same for whoever sees only `is_active`."""
_EVERY_WORD: _Stretches = tuple((word, _ANY_TIME) for word in ListedAs)
_FIRST_HALF, _BEHIND_HALVES = 0xD800, 0xE000


def list_people(
    connection: Connection,
    *,
    now: datetime,
    page: int,
    per_page: int,
    sort: str,
    q: str | None = None,
    role: str | None = None,
    status: str | None = None,
    by_address: bool = True,
    by_status: bool = True,
    after: str | None = None,
) -> Page:
    """A page of accounts. `q` is looked for literally at the beginning of names, and of addresses where asked.

    `after` is the place of an account in this order, see `place_of`: the page begins behind it. Raises `Invalid` when it is none.
    Without `by_status` only those who may use their account are told from those who may not, whatever the reason.
    """
    wanted, passed = _Wanted(role, _stretches(status, by_status=by_status), sort, connection.dialect), (page - 1) * per_page
    if q is None:
        fitting, near = wanted.first(MOST_PASSED), wanted.first(passed + per_page, after=after)
    else:
        fitting = near = wanted.found(canonical_text(q), by_address=by_address)
    counted = select(func.count()).select_from(select(fitting.c.id).limit(MOST_PASSED).subquery())
    total: int = connection.execute(counted, {"now": now}).scalar_one()
    places = select(near).order_by(*_order(sort, near.c)).limit(per_page)
    places = places.offset(passed) if after is None else places.where(_behind(sort, after, near.c))
    of_page = places.subquery("of_page")
    people = select(*RECORD, _U.username_canonical).join(of_page, of_page.c.id == _U.id).order_by(*_order(sort, of_page.c))
    rows: Sequence[Row[Any]] = connection.execute(people, {"now": now}).all()
    return Page(rows, total, page, per_page)


def place_of(person: Any, sort: str) -> str:
    """Where an account stands in an order: what stays true of it while others come and go."""
    return person.username_canonical if sort.endswith("username") else f"{person.created_at.isoformat()}~{person.id}"


def _stretches(status: str | None, *, by_status: bool) -> _Stretches | None:
    """Who is meant by a word for what an account is. Raises `Invalid` for one that tells more than the caller sees."""
    if status is None:
        return None
    meant = (_OF_STATUS if by_status else _OF_ACTIVITY).get(status)
    if meant is None:
        raise Invalid(faults=[Fault("/status", "not_visible", "You see who is active and who is disabled, and no more of it.")])
    return meant


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which accounts are looked for, and in which order they are wanted."""

    role: str | None
    stretches: _Stretches | None
    sort: str
    dialect: Dialect

    def first(self, most: int, *, after: str | None = None) -> FromClause:
        """The places of the first so many of them, in the order that is wanted."""
        if self.sort.endswith("username"):
            key, keys = _U.username_canonical, _Keys(self._name(_U.username_canonical), _U.created_at, _U.id)
            conditions = self._conditions(self.stretches)
        else:
            # No index has everybody in this order, so that none can be taken for it where a filter leaves few.
            key, keys = _U.created_at, _Keys(_U.username_canonical, _U.created_at, _U.id)
            conditions = self._conditions(self.stretches or _EVERY_WORD)
        behind = () if after is None else (_behind(self.sort, after, keys),)
        return _gathered((_U.id, key), [(*condition, *behind) for condition in conditions], _order(self.sort, keys), most)

    def found(self, beginning: str, *, by_address: bool) -> FromClause:
        """The places of those whose names begin like this, the first in the alphabet, and of as many found by their addresses.

        They are sorted afterwards: along the order that is wanted one might walk through the whole table, for a beginning with which
        nobody on the way begins.
        """
        place, conditions = (_U.id, _U.created_at, _U.username_canonical), self._conditions(self.stretches)
        found = []
        for column in (_U.username_canonical, _U.email_canonical) if by_address else (_U.username_canonical,):
            name = self._name(column)
            between = _between(name, beginning)
            each = _gathered((*place, name.label("name")), [(*one, *between) for one in conditions], (name,), MOST_FOUND)
            first = select(each).order_by(each.c.name).limit(MOST_FOUND).subquery()
            found.append(select(*(first.c[one.key] for one in place)))
        return (union(*found) if len(found) > 1 else found[0]).subquery("found")

    def _conditions(self, stretches: _Stretches | None) -> list[tuple[ColumnElement[bool], ...]]:
        """What each stretch is found by. There is one index for whatever is asked for: see `User`."""
        if self.role is not None:
            return [(_U.listed_under == f"{self.role} {word}", more) for word, more in stretches or _EVERY_WORD]
        return [()] if stretches is None else [(_U.listed_as == word.value, more) for word, more in stretches]

    def _name(self, column: Any) -> ColumnElement[str]:
        """A name in the order of the index that has it behind the filters, which is not that of the index which holds it unique.

        Otherwise a database that guesses would now and then go along that one, passing over whomever nobody asked for: all of them,
        where those who are asked for are together at the end.
        """
        return column if self.role is None and self.stretches is None else same_order(column, self.dialect)


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a list is sorted by, as a row of a table has it."""

    username_canonical: Any
    created_at: Any
    id: Any


def _gathered(columns: tuple[Any, ...], conditions: Sequence[Sequence[Any]], order: tuple[Any, ...], most: int) -> FromClause:
    """The first so many of each stretch, since all that are wanted may be in one."""
    each = [select(*columns).where(*one).order_by(*order).limit(most).subquery() for one in conditions]
    return union_all(*map(select, each)).subquery("gathered") if len(each) > 1 else each[0]


def _order(sort: str, columns: Any) -> tuple[Any, ...]:
    """What one of `SORTS` sorts by."""
    by = (columns.username_canonical,) if sort.endswith("username") else (columns.created_at, columns.id)
    return tuple(column.desc() for column in by) if sort.startswith("-") else by


def _behind(sort: str, place: str, columns: Any) -> ColumnElement[bool]:
    """What stands behind a place in an order. Raises `Invalid`."""
    is_descending = sort.startswith("-")
    if sort.endswith("username"):
        name: ColumnElement[str] = columns.username_canonical
        return name < place if is_descending else name > place
    moment, _, user_id = place.partition("~")
    try:
        created_at = datetime.fromisoformat(moment)
    except ValueError:
        created_at = None
    # Only the spelling of `place_of`: with a moment of another zone the calendar may end before it is converted to ours.
    if created_at is None or created_at.utcoffset() != timedelta(0) or created_at.isoformat() != moment or not is_id(user_id):
        raise Invalid(faults=[Fault("/after", "malformed", "This is no place in this list. Take it from the Link header.")])
    here = tuple_(literal(created_at, _U.created_at.type), literal(user_id, _U.id.type))
    there = tuple_(columns.created_at, columns.id)
    return there < here if is_descending else there > here


def _between(name: ColumnElement[str], beginning: str) -> tuple[ColumnElement[bool], ...]:
    """What a name that begins like this lies between, in the order of bytes: SQLite would find it by no index with LIKE."""
    end = _least_behind(beginning)
    return (name >= beginning,) if end is None else (name >= beginning, name < end)


def _least_behind(beginning: str) -> str | None:
    """The least text that stands behind every text which begins like this, by code points as by bytes of UTF-8; None where none does."""
    for last in range(len(beginning) - 1, -1, -1):
        following = ord(beginning[last]) + 1
        if following <= sys.maxunicode:
            # Halves of pairs are no characters, and no text of a database has one.
            return beginning[:last] + chr(_BEHIND_HALVES if following == _FIRST_HALF else following)
    return None
