"""Every query on accounts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select
from sqlalchemy.orm import Session

from secureapi.core.database import table_of
from secureapi.core.pages import Page
from secureapi.core.statements import Statement
from secureapi.users.errors import NoSuchUser
from secureapi.users.models import Status, User
from secureapi.users.rules import canonical_text

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

_BY_ID = select(*PERSON).where(_U.id == bindparam("user_id"))
_OWN = select(*PERSON, _U.pending_email).where(_U.id == bindparam("user_id"))
PERSON_BY_ID = Statement(_OWN)
"""The same for `Database.run`, with one value: `user_id`. With the address that is not confirmed yet, which its owner may see."""
SORTS = {
    "created_at": (_U.created_at, _U.id),
    "-created_at": (_U.created_at.desc(), _U.id.desc()),
    "username": (_U.username_canonical,),
    "-username": (_U.username_canonical.desc(),),
}


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

    def lock_active(self, role: str) -> list[str]:
        """The ids of the active accounts of a role, locked in order: nobody else changes them until this transaction ends."""
        active = select(_U.id).where(_U.role == role, _U.status == Status.ACTIVE).order_by(_U.id).with_for_update()
        return list(self._session.scalars(active))


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
    connection: Connection, *, page: int, per_page: int, sort: str, q: str | None = None, role: str | None = None, status: str | None = None
) -> Page:
    """A page of accounts. `q` is looked for literally at the beginning of names and addresses."""
    matching = _filtered(select(*PERSON), q=q, role=role, status=status)
    counted = _filtered(select(func.count()).select_from(User), q=q, role=role, status=status)
    total: int = connection.execute(counted).scalar_one()
    rows: Sequence[Row[Any]] = connection.execute(matching.order_by(*SORTS[sort]).limit(per_page).offset((page - 1) * per_page)).all()
    return Page(rows, total, page, per_page)


def _filtered(statement: Select[Any], *, q: str | None, role: str | None, status: str | None) -> Select[Any]:
    if q:
        prefix = canonical_text(q)
        statement = statement.where(
            or_(_U.username_canonical.startswith(prefix, autoescape=True), _U.email_canonical.startswith(prefix, autoescape=True))
        )
    if role:
        statement = statement.where(_U.role == role)
    if status:
        statement = statement.where(_U.status == status)
    return statement
