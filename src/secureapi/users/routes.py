"""Accounts over HTTP."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import g, request

from secureapi.core.api import Blueprint, accepts, asks, returns
from secureapi.core.pages import Page, link_header
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import Guard, public, requires, requires_any
from secureapi.security.identity import current_identity
from secureapi.security.limits import Limits, limited, note
from secureapi.security.permissions import Permission
from secureapi.settings import Settings
from secureapi.users.lists import place_of
from secureapi.users.rules import MOST_PASSED
from secureapi.users.schemas import (
    OwnUserResponse,
    ProfileChange,
    RegisterRequest,
    RegistrationRequestedResponse,
    UserAsSeenResponse,
    UserListQuery,
    UserListResponse,
    UserResponse,
)
from secureapi.users.service import Profiles, Registration, Roles
from secureapi.users.visibility import as_seen, finds_by_address, finds_by_status, viewer

blueprint = Blueprint("users", __name__, description="Accounts: one's own, and other people's for those who may.")
_EXAMPLE = {"username": "johndoe", "email": "john@example.com", "password": "Tall-Trees-42!"}
_REQUESTED = {"message": "Follow the link in the message that was sent to this address. Without one, look again in a few minutes."}


def registration_blueprint(settings: Settings) -> Blueprint:
    """Opening an account, as `EMAIL_VERIFICATION` has it: the description of the API says what is answered here."""
    registration = Blueprint("registration", __name__, description="Opening an account.")

    def register(wanted: dict[str, Any]) -> Any:
        """Open an account.

        The password must satisfy the policy (400 `weak_password` names every rule it breaks). A username or an address that is
        taken is refused with 400 `registration_refused`, without saying which.
        """
        _spend_everybodys_limit()
        return service(Registration).register(**wanted, client=current_client())

    def request_registration(wanted: dict[str, Any]) -> Any:
        """Ask for an account, which there is when its address is confirmed.

        A message with a link goes to the address; if that has an account already, its owner gets another one. The answer is the same
        for both. The password must satisfy the policy (400 `weak_password` names every rule it breaks), and a username that is taken
        is refused with 400 `registration_refused`.
        """
        _spend_everybodys_limit()
        service(Registration).register(**wanted, client=current_client())
        return _REQUESTED

    if settings.email_verification == "required":
        answering = returns(RegistrationRequestedResponse, HTTPStatus.ACCEPTED, description="Look for a message at the address.")
        view = request_registration
    else:
        answering, view = returns(UserResponse, HTTPStatus.CREATED), register
    declared = public(limited("register")(accepts(RegisterRequest, example=_EXAMPLE)(answering(view))))
    registration.post("/register", endpoint="register")(declared)
    return registration


def _spend_everybodys_limit() -> None:
    """Count a well-formed registration for all of us together. Its headers stay those of the caller's own limit: what others do is
    nobody's business, until it is too much.
    """
    own = g.spent
    service(Limits).spend("register_all", "all:registration")
    note(own)


@blueprint.get("/me")
@requires(Permission.SELF_READ)
@returns(OwnUserResponse)
def read_me() -> Any:
    """One's own account."""
    return service(Profiles).mine(caller=current_identity())


@blueprint.put("/me")
@requires(Permission.SELF_WRITE)
@limited("profile")
@accepts(ProfileChange)
@returns(OwnUserResponse)
def put_me(changes: dict[str, Any]) -> Any:
    """Change one's own account; what is left out stays as it is.

    Another address needs a recent sign-in (RFC 9470), and waits as `pending_email` until the link in a message sent there is followed.
    The present address cancels one that waits.
    """
    return service(Profiles).change_mine(
        changes=changes, require_recent=service(Guard).require_recent, caller=current_identity(), client=current_client()
    )


@blueprint.patch("/me")
@requires(Permission.SELF_WRITE)
@limited("profile")
@accepts(ProfileChange)
@returns(OwnUserResponse)
def patch_me(changes: dict[str, Any]) -> Any:
    """Change one's own account; what is left out stays as it is.

    Another address needs a recent sign-in (RFC 9470), and waits as `pending_email` until the link in a message sent there is followed.
    The present address cancels one that waits.
    """
    return service(Profiles).change_mine(
        changes=changes, require_recent=service(Guard).require_recent, caller=current_identity(), client=current_client()
    )


@blueprint.get("", strict_slashes=False)
@requires(Permission.USERS_READ)
@asks(UserListQuery)
@returns(UserListResponse)
def list_users(wanted: dict[str, Any]) -> Any:
    """A page of accounts, oldest first unless `sort` says otherwise. Leaves an event.

    Whoever sees only the outline of addresses finds nobody by them either, and whoever sees no `status` tells `active` from `disabled`
    by it and no more: `locked` and `invited` are 422.
    """
    caller, by = current_identity(), viewer(current_identity())
    if "role" in wanted:
        service(Roles).refuse_unknown(wanted["role"])
    sees = {"by_address": finds_by_address(by), "by_status": finds_by_status(by)}
    page: Page = service(Profiles).page(**wanted, **sees, caller=caller, client=current_client())
    return replace(page, items=[as_seen(person, by) for person in page.items]), _links(page, sort=wanted["sort"], after=wanted.get("after"))


def _links(page: Page, *, sort: str, after: str | None) -> dict[str, str]:
    """`Link` as on every list; from the last page that is counted on, the next one begins behind the last account of this one."""
    links = link_header(page) if after is None else {}
    is_full = len(page.items) == page.per_page
    if is_full and (after is not None or page.page * page.per_page >= MOST_PASSED):
        query = {name: value for name, value in request.args.items() if name != "page"} | {"after": place_of(page.items[-1], sort)}
        links["Link"] = ", ".join([*links.values(), f'<?{urlencode(query)}>; rel="next"'])
    return links


@blueprint.get("/<id:user_id>")
@requires_any(Permission.SELF_READ, Permission.USERS_READ)
@returns(UserAsSeenResponse)
def read_user(user_id: str) -> Any:
    """Somebody's account, for callers with `users:read`; one's own with `self:read`. Anything else is 404. Leaves an event.

    An API key with `self:read` reads the account of its owner, one with `users:read` those of everybody.
    """
    caller = current_identity()
    return as_seen(service(Profiles).of(user_id=user_id, caller=caller, client=current_client()), viewer(caller, user_id))
