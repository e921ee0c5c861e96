"""Permissions and the roles that hold them, as one table. Never read from a token: a demotion is effective at once."""

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
    """Change settings that may change while running."""
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


def permissions_of(role: str) -> frozenset[Permission]:
    """What a role may do; nothing at all for a role that does not exist."""
    try:
        return PERMISSIONS_OF[Role(role)]
    except ValueError:
        return frozenset()
