"""Permissions and the roles that hold them, as one table. Never read from a token: a demotion is effective at once."""

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What somebody may do. Declared on endpoints with `@requires`."""

    USERS_READ = "users:read"
    """See other people's accounts."""
    USERS_WRITE = "users:write"
    """Change other people's accounts, within one's own rank."""
    USERS_DELETE = "users:delete"
    """Delete other people's accounts."""
    SELF_READ = "self:read"
    """See one's own account."""
    SELF_WRITE = "self:write"
    """Change one's own account."""
    CONTENT_READ = "content:read"
    """Read what applications built on this service keep."""
    CONTENT_WRITE = "content:write"
    """Write it."""
    CONTENT_DELETE = "content:delete"
    """Delete it, whoever wrote it."""
    ADMIN_READ = "admin:read"
    """See the trail, alerts and figures."""
    ADMIN_WRITE = "admin:write"
    """Change settings that may change while running, roles, and what becomes of accounts."""
    SYSTEM_MANAGE = "system:manage"
    """Keys, seals and maintenance."""


class Role(StrEnum):
    """What somebody is. One role each, from the most to the least powerful."""

    ADMIN = "admin"
    MODERATOR = "moderator"
    USER = "user"
    VIEWER = "viewer"


_SELF = frozenset({Permission.SELF_READ, Permission.SELF_WRITE})
_CONTENT = frozenset({Permission.CONTENT_READ, Permission.CONTENT_WRITE})

PERMISSIONS_OF: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MODERATOR: _SELF | _CONTENT | {Permission.CONTENT_DELETE, Permission.USERS_READ, Permission.USERS_WRITE},
    Role.USER: _SELF | _CONTENT,
    Role.VIEWER: frozenset({Permission.SELF_READ, Permission.CONTENT_READ}),
}

RANK_OF: dict[Role, int] = {Role.ADMIN: 100, Role.MODERATOR: 50, Role.USER: 20, Role.VIEWER: 10}
"""Who stands above whom. A role that administrators define stands somewhere below its maker."""


ADMINISTRATIVE = frozenset(one for one in Permission if one.partition(":")[0] not in {"self", "content"})
"""What lets its holder do things to other people's accounts, or to the service. A program gives it to nobody."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a role amounts to."""

    role: str
    rank: int
    permissions: frozenset[Permission]

    @property
    def is_ordinary(self) -> bool:
        """Whether it has to do with nobody's account but its holder's own, nor with the service itself."""
        return not self.permissions & ADMINISTRATIVE

    def covers(self, other: "Standing") -> bool:
        """Whether somebody of this standing may do things to somebody of the other, or give the other to somebody.

        Both the rank and every permission: otherwise a role with a low rank and a great permission could be had by taking over the
        account of somebody who has it.
        """
        return other.rank <= self.rank and other.permissions <= self.permissions


def built_in(role: str) -> Standing | None:
    """The standing of a role of this table; None for any other word."""
    try:
        known = Role(role)
    except ValueError:
        return None
    return Standing(known.value, RANK_OF[known], PERMISSIONS_OF[known])
