"""Roles that administrators define over the permissions of the code. What is changed here counts from the next request on."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from secureapi.core.clock import Clock
from secureapi.core.database import Database
from secureapi.core.errors import Fault, Invalid
from secureapi.core.requests import Client
from secureapi.security.events import EventType
from secureapi.security.identity import Identity
from secureapi.security.permissions import PERMISSIONS_OF, RANK_OF, Permission, Role, Standing, built_in
from secureapi.security.trail import Trail
from secureapi.users import events
from secureapi.users.custom_roles import CustomRoles, as_text, list_custom, permissions_in
from secureapi.users.errors import BuiltInRole, RoleBeyondOwn, RoleChanged, RoleExists, RoleInUse
from secureapi.users.models import CustomRole
from secureapi.users.rules import RESERVED_ROLES
from secureapi.users.service.authority import Authority

DEFAULT_RANK = RANK_OF[Role.USER]
HIGHEST_RANK = RANK_OF[Role.ADMIN] - 1
_NEEDED = (Permission.ADMIN_WRITE,)
"""To define, change or remove one."""
_MEANINGS = {
    Role.ADMIN: "Everything.",
    Role.MODERATOR: "Other people's accounts, as far as they stand below, and all content.",
    Role.USER: "One's own account, and content.",
    Role.VIEWER: "Looking at one's own account and at content.",
}


@dataclass(frozen=True, slots=True)
class RoleShown:
    """A role as administrators see it."""

    name: str
    description: str
    rank: int
    permissions: tuple[str, ...]
    is_built_in: bool
    version: str
    """Stands for all the rest: whoever changes it says by this on top of what."""


class Roles:
    """Lists, defines, changes and removes. `caller` is None for the command line of the server, whose roles stand below `admin`."""

    def __init__(self, *, database: Database, clock: Clock, trail: Trail, authority: Authority) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._authority = authority

    def every(self) -> list[RoleShown]:
        """All roles, the built-in ones first."""
        known = [_shown(role.value, _MEANINGS[role], RANK_OF[role], PERMISSIONS_OF[role], is_built_in=True) for role in Role]
        with self._database.reading() as connection:
            own = list_custom(connection)
        return known + [_shown(row.name, row.description, row.rank, permissions_in(row.permissions)) for row in own]

    def refuse_unknown(self, name: str) -> None:
        """Raise `Invalid` when there is no role of this name."""
        if name not in {role.name for role in self.every()}:
            raise Invalid(faults=[Fault("/role", "unknown_role", "There is no such role.")])

    def define(
        self, *, name: str, description: str, permissions: Iterable[str], rank: int = DEFAULT_RANK, caller: Identity | None, client: Client
    ) -> RoleShown:
        """Make a role. Raises `RoleBeyondOwn`, `RoleExists`, and `StepUpRequired` without a recent proof."""
        if name in RESERVED_ROLES:
            raise Invalid(faults=[Fault("/name", "reserved", "This name is reserved.")])
        wanted, now = frozenset(map(Permission, permissions)), self._clock.now()
        role = CustomRole(name=name, description=description, rank=rank, permissions=as_text(wanted), created_at=now, updated_at=now)
        with self._authority.opening(act="roles.define", needs=_NEEDED, caller=caller, client=client) as (session, actor):
            self._authority.require_recent(caller)
            if built_in(name):
                raise RoleExists
            _refuse_beyond(actor, _standing(role))
            try:
                CustomRoles(session).add(role)
            except IntegrityError:
                raise RoleExists from None
            self._record(session, events.ROLE_DEFINED, role, caller, client)
        return _shown_of(role)

    def change(
        self,
        *,
        name: str,
        description: str | None = None,
        permissions: Iterable[str] | None = None,
        rank: int | None = None,
        version: str | None = None,
        caller: Identity | None,
        client: Client,
    ) -> RoleShown:
        """Change what is given. It must be below the caller before and after.

        With a `version` only if it still is what the caller has read: of two who take something away and add something, the second would
        give back what the first took. Raises `NoSuchRole`, `BuiltInRole`, `RoleBeyondOwn`, `RoleChanged`, and `StepUpRequired` without
        a recent proof.
        """
        with self._authority.opening(act="roles.change", needs=_NEEDED, caller=caller, client=client) as (session, actor):
            self._authority.require_recent(caller)
            role = _held(session, actor, name)
            if version not in {None, _shown_of(role).version}:
                raise RoleChanged
            before = {"rank": role.rank, "permissions": role.permissions.split()}
            role.description = role.description if description is None else description
            role.rank = role.rank if rank is None else rank
            role.permissions = role.permissions if permissions is None else as_text(map(Permission, permissions))
            _refuse_beyond(actor, _standing(role))
            role.updated_at = self._clock.now()
            self._record(session, events.ROLE_REDEFINED, role, caller, client, before=before)
        return _shown_of(role)

    def remove(self, *, name: str, caller: Identity | None, client: Client) -> None:
        """Remove a role that nobody has. Raises `NoSuchRole`, `BuiltInRole`, `RoleBeyondOwn`, `RoleInUse`."""
        with self._authority.opening(act="roles.remove", needs=_NEEDED, caller=caller, client=client) as (session, actor):
            role = _held(session, actor, name)
            roles = CustomRoles(session)
            if roles.is_in_use(name):
                raise RoleInUse
            self._record(session, events.ROLE_REMOVED, role, caller, client)
            roles.remove(role)

    def _record(
        self, session: Session, happened: EventType, role: CustomRole, caller: Identity | None, client: Client, **more: Any
    ) -> None:
        self._trail.record(
            session, happened, client=client, actor=caller, role=role.name, rank=role.rank, permissions=role.permissions.split(), **more
        )


def _held(session: Session, actor: Standing | None, name: str) -> CustomRole:
    """A role that this caller may change, locked."""
    if built_in(name):
        raise BuiltInRole
    roles = CustomRoles(session)
    # Before it is locked as well: two whose own roles are held and who go for one another's would wait for ever.
    _refuse_beyond(actor, roles.standing(name))
    role = roles.get(name)
    _refuse_beyond(actor, _standing(role))
    return role


def _refuse_beyond(actor: Standing | None, wanted: Standing) -> None:
    """Raise `RoleBeyondOwn` for a role that does not stand below its maker, or may do what he may not. That includes his own role."""
    highest = min(actor.rank - 1, HIGHEST_RANK) if actor else HIGHEST_RANK
    if wanted.rank > highest or (actor and not wanted.permissions <= actor.permissions):
        raise RoleBeyondOwn


def _standing(role: CustomRole) -> Standing:
    return Standing(role.name, role.rank, permissions_in(role.permissions))


def _shown_of(role: CustomRole) -> RoleShown:
    return _shown(role.name, role.description, role.rank, permissions_in(role.permissions))


def _shown(name: str, description: str, rank: int, permissions: Iterable[Permission], *, is_built_in: bool = False) -> RoleShown:
    values = tuple(sorted(one.value for one in permissions))
    content = "\0".join((description, str(rank), *values))
    return RoleShown(name, description, rank, values, is_built_in, sha256(content.encode()).hexdigest()[:16])
