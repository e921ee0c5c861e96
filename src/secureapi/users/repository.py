"""Every query on accounts."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, func, literal, select, tuple_, union
from sqlalchemy.orm import Session

from secureapi.core.database import table_of
from secureapi.core.errors import Fault, Invalid
from secureapi.core.identifiers import is_id
from secureapi.core.pages import Page
from secureapi.core.statements import Statement
from secureapi.security.permissions import Role
from secureapi.users.errors import NoSuchUser
from secureapi.users.models import Status, User
from secureapi.users.rules import MOST_FOUND, MOST_PASSED, canonical_text

_U = table_of(User).c
PERSON = (
    _U.id,
    _U.username,
    _U.email,
    _U.full_name,
    _U.bio,
    _U.website,
    _U.role,
    _U.created_at,
    _U.updated_at,
    (_U.status == Status.ACTIVE).label("is_active"),
    _U.email_verified_at.is_not(None).label("is_email_verified"),
)
"""What of an account may leave the house: never the hash, never the canonical forms."""

LOCKED = "locked"
"""What a disabled account is called for as long as an administrator has it locked."""
RECORD = (
    *PERSON,
    case((_U.locked_at.is_not(None), LOCKED), else_=_U.status).label("status"),
    _U.locked_at,
    _U.password_changed_at,
    _U.password_refused_since.is_not(None).label("must_change_password"),
)
"""The same with what administrators see: who sees which of it is in `visibility.py`."""

_BY_ID = select(*RECORD).where(_U.id == bindparam("user_id"))
_OWN = select(*PERSON, _U.pending_email).where(_U.id == bindparam("user_id"))
PERSON_BY_ID = Statement(_OWN)
"""The same for `Database.run`, with one value: `user_id`. With the address that is not confirmed yet, which its owner may see."""
_PLACED = (*RECORD, _U.username_canonical)
"""The same with what a list may be sorted by."""


class UserRepository:
    """Accounts inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, user: User) -> None:
        """Insert. Raises `IntegrityError` when the username or the address is taken."""
        self._session.add(user)
        self._session.flush()

    def get(self, user_id: str, *, lock: bool = False) -> User:
        """An account, locked against other transactions where asked. Raises `NoSuchUser`."""
        statement = select(User).where(_U.id == user_id)
        user = self._session.scalars(statement.with_for_update() if lock else statement).one_or_none()
        if user is None:
            raise NoSuchUser
        return user

    def find_by_login(self, canonical: str, *, lock: bool = False) -> User | None:
        """The account with this canonical username or address, locked where asked. A username has no @, so it can never be both."""
        column = _U.email_canonical if "@" in canonical else _U.username_canonical
        statement = select(User).where(column == canonical)
        return self._session.scalars(statement.with_for_update() if lock else statement).one_or_none()

    def find_locked(self, user_id: str, *, is_patient: bool) -> User | None:
        """An account as it is now, locked. None when it is gone or, for whoever does not wait, when somebody else has it in hand."""
        statement = select(User).where(_U.id == user_id).with_for_update(skip_locked=not is_patient)
        return self._session.scalars(statement.execution_options(populate_existing=True)).one_or_none()

    def count(self, role: str) -> int:
        """How many active accounts have a role."""
        counted = select(func.count()).where(_U.role == role, _U.status == Status.ACTIVE)
        return self._session.scalars(counted).one()

    def lock_people(self, user_ids: Collection[str], *, with_administrators: bool = False) -> dict[str, User]:
        """These accounts, as far as they are there, and every active administrator where asked, by id and locked.

        In one statement and in the order of their ids, so that two transactions never wait for one another.
        """
        wanted: ColumnElement[bool] = _U.id.in_(user_ids)
        if with_administrators:
            wanted = wanted | and_(_U.role == Role.ADMIN.value, _U.status == Status.ACTIVE.value)
        locked = select(User).where(wanted).order_by(_U.id).with_for_update()
        return {user.id: user for user in self._session.scalars(locked)}

    def remove(self, user: User) -> None:
        """Delete an account. What belongs to it in other tables goes with it, by their foreign keys."""
        self._session.delete(user)
        self._session.flush()


@dataclass(frozen=True, slots=True)
class PeopleCounted:
    """How many accounts there are."""

    by_status: dict[str, int]
    by_role: dict[str, int]
    """Active ones only."""


def count_people(connection: Connection) -> PeopleCounted:
    """Count every account, in one pass."""
    counted = connection.execute(select(_U.status, _U.role, func.count()).group_by(_U.status, _U.role)).all()
    by_status: Counter[str] = Counter()
    by_role: Counter[str] = Counter()
    for status, role, number in counted:
        by_status[status] += number
        if status == Status.ACTIVE:
            by_role[role] += number
    return PeopleCounted(dict(by_status), dict(by_role))


def find_person(connection: Connection, user_id: str) -> Row[Any] | None:
    """What may be shown of one account."""
    return connection.execute(_BY_ID, {"user_id": user_id}).one_or_none()


def find_own(connection: Connection, user_id: str) -> Row[Any] | None:
    """What may be shown of an account to its owner."""
    return connection.execute(_OWN, {"user_id": user_id}).one_or_none()


def list_people(
    connection: Connection,
    *,
    page: int,
    per_page: int,
    sort: str,
    q: str | None = None,
    role: str | None = None,
    status: str | None = None,
    by_address: bool = True,
    after: str | None = None,
) -> Page:
    """A page of accounts. `q` is looked for literally at the beginning of names, and of addresses where asked.

    `after` is the place of an account in this order, see `place_of`: the page begins behind it. Raises `Invalid` when it is none.
    Nothing here costs more among a million accounts than among some thousands: see `MOST_PASSED` and `MOST_FOUND`.
    """
    wanted = _Wanted(q, role, status, by_address)
    total: int = connection.execute(select(func.count()).select_from(wanted.of(_U.id).limit(MOST_PASSED).subquery())).scalar_one()
    people = wanted.of(*_PLACED)
    columns = people.selected_columns
    matching = people.order_by(*_order(sort, columns)).limit(per_page)
    matching = matching.offset((page - 1) * per_page) if after is None else matching.where(_behind(sort, after, columns))
    rows: Sequence[Row[Any]] = connection.execute(matching).all()
    return Page(rows, total, page, per_page)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which accounts are looked for."""

    q: str | None
    role: str | None
    status: str | None
    by_address: bool

    def of(self, *columns: Any) -> Select[Any]:
        """These columns of those accounts.

        A search takes the first that it finds in each index and sorts afterwards. One statement over all that fit would be sorted by
        walking along the whole table, for a letter with which nobody on the way begins.
        """
        if self.q is None:
            return self._narrowed(select(*columns))
        beginning = canonical_text(self.q)
        found = [
            self._narrowed(select(*columns).where(name.startswith(beginning, autoescape=True))).order_by(name).limit(MOST_FOUND).subquery()
            for name in ((_U.username_canonical, _U.email_canonical) if self.by_address else (_U.username_canonical,))
        ]
        return select(union(*(select(each) for each in found)).subquery() if len(found) > 1 else found[0])

    def _narrowed(self, statement: Select[Any]) -> Select[Any]:
        if self.role:
            statement = statement.where(_U.role == self.role)
        if self.status:
            stored = Status.DISABLED.value if self.status == LOCKED else self.status
            statement = statement.where(_U.status == stored)
            if stored == Status.DISABLED.value:
                statement = statement.where(_U.locked_at.is_not(None) if self.status == LOCKED else _U.locked_at.is_(None))
        return statement


def place_of(person: Any, sort: str) -> str:
    """Where an account stands in an order: what stays true of it while others come and go."""
    return person.username_canonical if sort.endswith("username") else f"{person.created_at.isoformat()}~{person.id}"


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
    if created_at is None or created_at.tzinfo is None or not is_id(user_id):
        raise Invalid(faults=[Fault("/after", "malformed", "This is no place in this list. Take it from the Link header.")])
    here = tuple_(literal(created_at, _U.created_at.type), literal(user_id, _U.id.type))
    there = tuple_(columns.created_at, columns.id)
    return there < here if is_descending else there > here
