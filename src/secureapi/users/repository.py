"""Every query on accounts, except the lists that people page through: those are in `lists.py`."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    func,
    null,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session

from secureapi.core.database import Database, table_of
from secureapi.core.statements import Statement
from secureapi.security.permissions import Role
from secureapi.users.errors import NoSuchUser
from secureapi.users.models import Status, User

_U = table_of(User).c
NOW = bindparam("now", type_=_U.locked_until.type)
_HAS_FALLEN = and_(_U.locked_at.is_not(None), _U.locked_until.is_not(None), _U.locked_until <= NOW)
"""A lock whose end has come. Every statement with this in it takes `now`. The first condition is for the index of locked accounts."""
_IS_ACTIVE = or_(_U.status == Status.ACTIVE.value, _HAS_FALLEN)
STATUS = case((_IS_ACTIVE, Status.ACTIVE.value), else_=Status.DISABLED.value).label("status")
"""Whether it may be used: one that is locked is among the disabled ones."""
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
    _IS_ACTIVE.label("is_active"),
    _U.email_verified_at.is_not(None).label("is_email_verified"),
)
"""What of an account may leave the house: never the hash, never the canonical forms."""

LOCKED = "locked"
"""What a disabled account is called for as long as an administrator has it locked."""
INVITED = "invited"
"""What an active account is called for as long as nobody has accepted the invitation."""


def _of_lock(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column about a lock, which says nothing any more when that has fallen."""
    return type_coerce(case((_HAS_FALLEN, null()), else_=column), column.type).label(column.key)


RECORD = (
    *PERSON,
    case(
        (and_(_IS_ACTIVE, _U.invited_at.is_not(None)), INVITED),
        (_IS_ACTIVE, Status.ACTIVE.value),
        (_U.locked_at.is_not(None), LOCKED),
        else_=Status.DISABLED.value,
    ).label("status"),
    _of_lock(_U.locked_at),
    _of_lock(_U.locked_until),
    _of_lock(_U.lock_reason),
    _U.invited_at,
    _U.password_changed_at,
    _U.password_refused_since.is_not(None).label("must_change_password"),
)
"""The same with what administrators see: who sees which of it is in `visibility.py`."""

_BY_ID = select(*RECORD).where(_U.id == bindparam("user_id"))
_OWN = select(*PERSON, _U.pending_email).where(_U.id == bindparam("user_id"))
PERSON_BY_ID = Statement(_OWN)
"""The same for `Database.run`, with `user_id` and `now`. With the address that is not confirmed yet, which its owner may see."""
CONTACT_BY_ID = Statement(select(_U.email, _U.username).where(_U.id == bindparam("user_id")))
"""Where messages for an account go. Takes `user_id`."""


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

    def count(self, role: str, *, now: datetime) -> int:
        """How many active accounts have a role, whose owners have come at least once."""
        counted = select(func.count()).where(_U.role == role, _IS_ACTIVE, _U.invited_at.is_(None))
        return self._session.scalars(counted, {"now": now}).one()

    def lock_people(
        self, user_ids: Collection[str], *, known_as: Collection[str] = (), with_administrators: bool = False
    ) -> dict[str, User]:
        """These accounts, as far as they are there, by id, as they are now and locked; and every administrator who is of use, where asked.

        In one statement and in the order of their ids, so that two transactions never wait for one another. `known_as` are canonical
        names and addresses that somebody is about to get: whoever has them is locked too. Otherwise two who want what the other has
        would meet in the unique index, and wait for one another there.
        """
        wanted: ColumnElement[bool] = _U.id.in_(user_ids)
        if known_as:
            wanted = wanted | _U.username_canonical.in_(known_as) | _U.email_canonical.in_(known_as)
        if with_administrators:
            is_of_use = (_U.status == Status.ACTIVE.value) | _U.locked_until.is_not(None)
            wanted = wanted | and_(_U.role == Role.ADMIN.value, is_of_use)
        locked = select(User).where(wanted).order_by(_U.id).with_for_update().execution_options(populate_existing=True)
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


def count_people(connection: Connection, *, now: datetime) -> PeopleCounted:
    """Count every account, in one pass. Those that are locked are among the disabled ones."""
    one_pass = select(STATUS, _U.role, func.count()).group_by(STATUS, _U.role)
    counted = connection.execute(one_pass, {"now": now}).all()
    by_status: Counter[str] = Counter()
    by_role: Counter[str] = Counter()
    for status, role, number in counted:
        by_status[status] += number
        if status == Status.ACTIVE:
            by_role[role] += number
    return PeopleCounted(dict(by_status), dict(by_role))


def has_account(database: Database, user_id: str) -> bool:
    """Whether there is an account with this id."""
    return database.run(CONTACT_BY_ID, user_id=user_id) is not None


def find_person(connection: Connection, user_id: str, *, now: datetime) -> Row[Any] | None:
    """What may be shown of one account."""
    return connection.execute(_BY_ID, {"user_id": user_id, "now": now}).one_or_none()


def find_own(connection: Connection, user_id: str, *, now: datetime) -> Row[Any] | None:
    """What may be shown of an account to its owner."""
    return connection.execute(_OWN, {"user_id": user_id, "now": now}).one_or_none()
