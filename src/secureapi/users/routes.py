"""Accounts over HTTP."""

from http import HTTPStatus
from typing import Any

from secureapi.core.api import Blueprint, accepts, asks, returns
from secureapi.core.pages import Page, link_header
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import Guard, public, requires, signed_in
from secureapi.security.identity import current_identity
from secureapi.security.limits import limited
from secureapi.security.permissions import Permission
from secureapi.users.schemas import ProfileChange, RegisterRequest, UserListQuery, UserListResponse, UserResponse
from secureapi.users.service import Profiles, Registration

blueprint = Blueprint("users", __name__, description="Accounts: one's own, and other people's for those who may.")
registration = Blueprint("registration", __name__, description="Opening an account.")


@registration.post("/register")
@public
@limited("register")
@accepts(RegisterRequest, example={"username": "johndoe", "email": "john@example.com", "password": "Tall-Trees-42!"})
@returns(UserResponse, HTTPStatus.CREATED)
def register(wanted: dict[str, Any]) -> Any:
    """Open an account.

    The password must satisfy the policy (400 `weak_password` names every rule it breaks). A username or an address that is
    taken is refused with 400 `registration_refused`, without saying which.
    """
    return service(Registration).register(**wanted, client=current_client())


@blueprint.get("/me")
@requires(Permission.SELF_READ)
@returns(UserResponse)
def read_me() -> Any:
    """One's own account."""
    return service(Profiles).mine(caller=current_identity())


@blueprint.put("/me")
@requires(Permission.SELF_WRITE)
@limited("profile")
@accepts(ProfileChange)
@returns(UserResponse)
def put_me(changes: dict[str, Any]) -> Any:
    """Change one's own account; what is left out stays as it is. Another address needs a recent sign-in (RFC 9470)."""
    return service(Profiles).change_mine(
        changes=changes, require_recent=service(Guard).require_recent, caller=current_identity(), client=current_client()
    )


@blueprint.patch("/me")
@requires(Permission.SELF_WRITE)
@limited("profile")
@accepts(ProfileChange)
@returns(UserResponse)
def patch_me(changes: dict[str, Any]) -> Any:
    """Change one's own account; what is left out stays as it is. Another address needs a recent sign-in (RFC 9470)."""
    return service(Profiles).change_mine(
        changes=changes, require_recent=service(Guard).require_recent, caller=current_identity(), client=current_client()
    )


@blueprint.get("", strict_slashes=False)
@requires(Permission.USERS_READ)
@asks(UserListQuery)
@returns(UserListResponse)
def list_users(wanted: dict[str, Any]) -> Any:
    """A page of accounts, oldest first unless `sort` says otherwise. Leaves an event."""
    page: Page = service(Profiles).page(**wanted, caller=current_identity(), client=current_client())
    return page, link_header(page)


@blueprint.get("/<id:user_id>")
@signed_in
@returns(UserResponse)
def read_user(user_id: str) -> Any:
    """Somebody's account, for callers with `users:read`, or one's own. Anything else is 404. Leaves an event."""
    return service(Profiles).of(user_id=user_id, caller=current_identity(), client=current_client())
