"""Lists of accounts that people page through: narrowed, searched and sorted, at the same cost among a million as among some thousands.

That holds for whatever is asked for at once, however few or many it fits, and however those stand in the table. Each list is put together
from stretches of indexes. A stretch is what one index has side by side, in the order that is wanted: all of a role with one word in
`listed_as`, say, or those of them whose names begin with something. From each no more is read than the answer can need, so that nothing
is passed over on the way but locks that have fallen. See the indexes of `User`.

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
    FromClause,
    Row,
    and_,
    func,
    literal,
    select,
    true,
    tuple_,
    union,
    union_all,
)

from secureapi.core.database import table_of
from secureapi.core.errors import Fault, Invalid
from secureapi.core.identifiers import is_id
from secureapi.core.pages import Page
from secureapi.users.models import ListedAs, Status, User
from secureapi.users.repository import INVITED, LOCKED, NOW, RECORD
from secureapi.users.rules import MOST_FOUND, MOST_PASSED, canonical_text

_U = table_of(User).c
_ENDING = _U.listed_as == ListedAs.ENDING.value
_FALLEN = and_(_ENDING, _U.locked_until <= NOW)
_STANDING = and_(_ENDING, _U.locked_until > NOW)
_Conditions = Sequence[ColumnElement[bool]]
"""Each one describes a stretch. No account is in two."""


def _as(listed: ListedAs) -> ColumnElement[bool]:
    return _U.listed_as == listed.value


_OF_STATUS: Mapping[str, _Conditions] = {
    Status.ACTIVE.value: (_as(ListedAs.ACTIVE), and_(_FALLEN, _U.invited_at.is_(None))),
    INVITED: (_as(ListedAs.INVITED), and_(_FALLEN, _U.invited_at.is_not(None))),
    LOCKED: (_as(ListedAs.LOCKED), _STANDING),
    Status.DISABLED.value: (_as(ListedAs.DISABLED),),
}
"""Who is meant by the words for what an account is: the same as in `RECORD`."""
_OF_ACTIVITY: Mapping[str, _Conditions] = {
    Status.ACTIVE.value: (_as(ListedAs.ACTIVE), _as(ListedAs.INVITED), _FALLEN),
    Status.DISABLED.value: (_as(ListedAs.DISABLED), _as(ListedAs.LOCKED), _STANDING),
}
"""The same for whoever sees only `is_active`."""
_FIRST_HALF, _BEHIND_HALVES = 0xD800, 0xE000
_EVERYBODY: _Conditions = (true(),)
_EVERY_WORD: _Conditions = tuple(map(_as, ListedAs))
"""Everybody too, for an index in which the word stands before what is looked for."""


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
    wanted, passed = _Wanted(role, _stretches(status, role, by_status=by_status), sort), (page - 1) * per_page
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


def _stretches(status: str | None, role: str | None, *, by_status: bool) -> _Conditions:
    """Who is meant by a word for what an account is. Raises `Invalid` for one that tells more than the caller sees."""
    if status is None:
        return _EVERYBODY if role is None else _EVERY_WORD
    meant = (_OF_STATUS if by_status else _OF_ACTIVITY).get(status)
    if meant is None:
        raise Invalid(faults=[Fault("/status", "not_visible", "You see who is active and who is disabled, and no more of it.")])
    return meant


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which accounts are looked for, and in which order they are wanted."""

    role: str | None
    stretches: _Conditions
    sort: str

    def first(self, most: int, *, after: str | None = None) -> FromClause:
        """The places of the first so many of them, in the order that is wanted."""
        keys = (_U.username_canonical,) if self.sort.endswith("username") else (_U.created_at,)
        behind = () if after is None else (_behind(self.sort, after, _U),)
        return self._gathered((_U.id, *keys), behind, _order(self.sort, _U), most)

    def found(self, beginning: str, *, by_address: bool) -> FromClause:
        """The places of those whose names begin like this, the first in the alphabet, and of as many found by their addresses.

        They are sorted afterwards: along the order that is wanted one might walk through the whole table, for a beginning with which
        nobody on the way begins.
        """
        place = (_U.id, _U.created_at, _U.username_canonical)
        found = []
        for name in (_U.username_canonical, _U.email_canonical) if by_address else (_U.username_canonical,):
            each = self._gathered((*place, name.label("name")), _begins(name, beginning), (name,), MOST_FOUND)
            first = select(each).order_by(each.c.name).limit(MOST_FOUND).subquery()
            found.append(select(*(first.c[column.key] for column in place)))
        return (union(*found) if len(found) > 1 else found[0]).subquery("found")

    def _gathered(self, columns: tuple[Any, ...], narrowed: _Conditions, order: tuple[Any, ...], most: int) -> FromClause:
        """The first so many of each stretch, since all that are wanted may be in one."""
        of_role = () if self.role is None else (_U.role == self.role,)
        each = [select(*columns).where(one, *of_role, *narrowed).order_by(*order).limit(most).subquery() for one in self.stretches]
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


def _begins(name: ColumnElement[str], beginning: str) -> _Conditions:
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
