"""Every query on the roles that administrators define, and what any role amounts to."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, exists, select
from sqlalchemy.orm import Session

from secureapi.core.database import Database, table_of
from secureapi.core.statements import Statement
from secureapi.security.permissions import Permission, Standing, built_in
from secureapi.users.errors import NoSuchRole
from secureapi.users.models import CustomRole, User
from secureapi.users.rules import ROLE_PATTERN

_R = table_of(CustomRole).c
_U = table_of(User).c
_ONE = select(_R.name, _R.rank, _R.permissions).where(_R.name == bindparam("role"))
_ONE_BY_NAME = Statement(_ONE)
_NAME = re.compile(ROLE_PATTERN)
_KNOWN = {permission.value: permission for permission in Permission}


def permissions_now(database: Database, role: str) -> frozenset[Permission]:
    """What a role may do at this moment, by one select for one that administrators defined; nothing for a role that does not exist.

    Not cached: a permission that is taken away is gone with the very next request, on every worker.
    """
    known = built_in(role)
    if known:
        return known.permissions
    row = database.run(_ONE_BY_NAME, role=role)
    return permissions_in(row.permissions) if row else frozenset()


def standing_of(connection: Connection, role: str) -> Standing | None:
    """What a role amounts to; None for one that does not exist."""
    known = built_in(role)
    if known:
        return known
    row = connection.execute(_ONE, {"role": role}).one_or_none()
    return Standing(row.name, row.rank, permissions_in(row.permissions)) if row else None


def permissions_in(text: str) -> frozenset[Permission]:
    """The permissions that are stored with a role."""
    return frozenset(_KNOWN[word] for word in text.split() if word in _KNOWN)


def as_text(permissions: Iterable[Permission]) -> str:
    """The same the other way round."""
    return " ".join(sorted(permission.value for permission in permissions))


class CustomRoles:
    """Roles inside a transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, role: CustomRole) -> None:
        """Insert. Raises `IntegrityError` when the name is taken."""
        self._session.add(role)
        self._session.flush()

    def standing(self, name: str) -> Standing:
        """What a role amounts to, without locking it. Raises `NoSuchRole`."""
        # It comes from an address, where anything may stand. PostgreSQL would stumble over a NUL.
        standing = standing_of(self._session.connection(), name) if _NAME.fullmatch(name) else None
        if standing is None:
            raise NoSuchRole
        return standing

    def get(self, name: str) -> CustomRole:
        """A role, locked: nobody is given it, and nobody changes it, until this transaction ends. Raises `NoSuchRole`."""
        if not _NAME.fullmatch(name):
            raise NoSuchRole
        role = self._session.scalars(select(CustomRole).where(_R.name == name).with_for_update()).one_or_none()
        if role is None:
            raise NoSuchRole
        return role

    def hold(self, name: str) -> Standing | None:
        """What a role amounts to, for whoever gives it to somebody: it is not removed until this transaction ends."""
        if built_in(name) is None:
            self._session.execute(select(_R.name).where(_R.name == name).with_for_update(read=True)).all()
        return standing_of(self._session.connection(), name)

    def is_in_use(self, name: str) -> bool:
        return bool(self._session.scalar(select(exists().where(_U.role == name))))

    def remove(self, role: CustomRole) -> None:
        self._session.delete(role)
        self._session.flush()


def hold_roles(connection: Connection, names: Collection[str]) -> frozenset[str]:
    """Those of these roles that there are, for whoever gives them to somebody: none is removed until this transaction ends."""
    custom = [name for name in names if built_in(name) is None]
    wanted = select(_R.name).where(_R.name.in_(custom)).order_by(_R.name).with_for_update(read=True)
    held = connection.scalars(wanted).all() if custom else ()
    return frozenset(held) | (frozenset(names) - frozenset(custom))


def list_custom(connection: Connection) -> Sequence[Any]:
    """Every role that administrators defined, by name. They are few: somebody wrote each by hand."""
    return connection.execute(select(_R.name, _R.description, _R.rank, _R.permissions, _R.created_at).order_by(_R.name)).all()
