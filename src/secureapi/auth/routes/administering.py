"""Administration over HTTP: other people's accounts, roles, and why somebody may do something.

What is declared here is what an act asks for in general; who may do it to whom is decided in `users/service/authority.py`.
"""

from collections.abc import Callable, Collection
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from secureapi.auth.routes.blueprints import administration, people
from secureapi.auth.routes.empty import empty_answer
from secureapi.auth.schemas.administration import (
    ExplanationQuery,
    ExplanationResponse,
    RoleChange,
    RoleCreation,
    RoleResponse,
    RolesResponse,
    UserChange,
    UserChangedResponse,
    UserCreation,
    UserLock,
)
from secureapi.auth.service import Administration, NewAccounts
from secureapi.core.api import accepts, asks, returns
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import people_only, requires
from secureapi.security.idempotency import idempotent
from secureapi.security.identity import current_identity
from secureapi.security.permissions import Permission
from secureapi.users.service import Explanations, Roles
from secureapi.users.visibility import as_seen, viewer

_EXAMPLE = {"username": "johndoe", "email": "john@example.com", "invite": "mail", "role": "user"}
_ROLE_EXAMPLE = {"name": "auditor", "description": "Reads the trail.", "permissions": ["self:read", "admin:read"]}


@people.post("", strict_slashes=False)
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@accepts(UserCreation, example=_EXAMPLE)
@idempotent
@returns(UserChangedResponse, HTTPStatus.CREATED)
def create_user(wanted: dict[str, Any]) -> Any:
    """Open an account for somebody, in a role that has none but the caller's permissions. The address counts as verified.

    With `"invite": "mail"` in the place of a password, nobody can sign in before the link in a message to the address was followed.
    A password, or a role with a permission of `users:`, `admin:` or `system:`, needs a recent sign-in (RFC 9470), and no API key gives
    either.
    """
    caller = current_identity()
    account = {field: value for field, value in wanted.items() if field != "invite"}
    made = service(NewAccounts).create(**account, caller=caller, client=current_client())
    return as_seen(made, viewer(caller), told=account)


@people.post("/<id:user_id>/invite")
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@people_only
@returns(UserChangedResponse)
def invite_user_again(user_id: str) -> Any:
    """Send the invitation once more to somebody who has not accepted it, with another link in the place of the former one.

    409 `not_invited` for anybody else; 429 `too_many_invitations` when it was sent often enough for now.
    """
    return _shown(user_id, service(NewAccounts).invite_again)


@people.patch("/<id:user_id>")
@requires(Permission.USERS_WRITE)
@accepts(UserChange)
@returns(UserChangedResponse)
def change_user(changes: dict[str, Any], user_id: str) -> Any:
    """Change somebody's account; what is left out stays as it is.

    Role, status and address need `admin:write` and no API key, role and address a recent sign-in too (RFC 9470). Nobody who may do more
    than the caller is changed, and one's own account is changed at `/users/me`.
    """
    return _shown(user_id, service(Administration).change, told=changes, changes=changes)


@people.delete("/<id:user_id>")
@requires(Permission.USERS_DELETE)
@people_only
@returns(None, HTTPStatus.NO_CONTENT)
def delete_user(user_id: str) -> Any:
    """Delete somebody's account, at once. Not one's own (400), nor the last active administrator's (409).

    It needs a recent sign-in (RFC 9470).
    """
    service(Administration).delete(user_id=user_id, caller=current_identity(), client=current_client())
    return empty_answer(HTTPStatus.NO_CONTENT)


@people.post("/<id:user_id>/lock")
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@people_only
@accepts(UserLock, may_be_empty=True, example={"minutes": 1440, "reason": "Asked for by the owner by telephone."})
@returns(UserChangedResponse)
def lock_user(wanted: dict[str, Any], user_id: str) -> Any:
    """Let nobody use an account until an administrator unlocks it, or until a moment that is named. Its sessions end.

    Its API keys are refused for as long. Whoever is locked is told nothing of it: his sign-in is refused like a wrong password. A
    disabled account stays disabled.
    """
    lasting = timedelta(minutes=wanted["minutes"]) if "minutes" in wanted else wanted.get("until")
    return _shown(user_id, service(Administration).lock, lasting=lasting, reason=wanted.get("reason"))


@people.post("/<id:user_id>/unlock")
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@people_only
@returns(UserChangedResponse)
def unlock_user(user_id: str) -> Any:
    """Lift the lock of an account, and forget the wrong passwords that were tried on it. A disabled one stays disabled."""
    return _shown(user_id, service(Administration).unlock)


@people.post("/<id:user_id>/disable")
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@people_only
@returns(UserChangedResponse)
def disable_user(user_id: str) -> Any:
    """Let nobody use an account any more. Its sessions end, and its API keys are refused."""
    return _shown(user_id, service(Administration).disable)


@people.post("/<id:user_id>/enable")
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@people_only
@returns(UserChangedResponse)
def enable_user(user_id: str) -> Any:
    """Let a disabled account be used again, its API keys too. Its old sessions stay ended. A locked one stays locked."""
    return _shown(user_id, service(Administration).enable)


@people.post("/<id:user_id>/require-password-change")
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@people_only
@returns(UserChangedResponse)
def require_password_change(user_id: str) -> Any:
    """Have the password of an account open nothing any more, and send its owner a link for another one.

    Its sessions end, and its API keys are revoked for good.
    """
    return _shown(user_id, service(Administration).require_password_change)


@administration.get("/roles")
@requires(Permission.ADMIN_READ)
@returns(RolesResponse)
def list_roles() -> Any:
    """Every role, the built-in ones first."""
    return {"roles": service(Roles).every()}


@administration.post("/roles")
@requires(Permission.ADMIN_WRITE)
@people_only
@accepts(RoleCreation, example=_ROLE_EXAMPLE)
@idempotent
@returns(RoleResponse, HTTPStatus.CREATED)
def define_role(wanted: dict[str, Any]) -> Any:
    """Define a role with none but the caller's permissions, that stands below him. It needs a recent sign-in (RFC 9470)."""
    return service(Roles).define(**wanted, caller=current_identity(), client=current_client())


@administration.patch("/roles/<name>")
@requires(Permission.ADMIN_WRITE)
@people_only
@accepts(RoleChange)
@returns(RoleResponse)
def change_role(changes: dict[str, Any], name: str) -> Any:
    """Change a role for everybody who has it, from the next request on. It stands below the caller before and after.

    It needs a recent sign-in (RFC 9470).
    """
    return service(Roles).change(name=name, **changes, caller=current_identity(), client=current_client())


@administration.delete("/roles/<name>")
@requires(Permission.ADMIN_WRITE)
@people_only
@returns(None, HTTPStatus.NO_CONTENT)
def remove_role(name: str) -> Any:
    """Remove a role that nobody has."""
    service(Roles).remove(name=name, caller=current_identity(), client=current_client())
    return empty_answer(HTTPStatus.NO_CONTENT)


@administration.get("/authz/explain")
@requires(Permission.USERS_READ, Permission.ADMIN_READ)
@asks(ExplanationQuery)
@returns(ExplanationResponse)
def explain(wanted: dict[str, Any]) -> Any:
    """Whether somebody may do something now, and why. Leaves an event."""
    return service(Explanations).explain(
        who=wanted["user"], permission=wanted["permission"], caller=current_identity(), client=current_client()
    )


def _shown(user_id: str, act: Callable[..., Any], *, told: Collection[str] = (), **wanted: Any) -> Any:
    """Do it, and what this caller sees of the account afterwards. `told` are the fields that he sent himself."""
    caller = current_identity()
    return as_seen(act(user_id=user_id, **wanted, caller=caller, client=current_client()), viewer(caller, user_id), told=told)
