"""Signing in and out over HTTP."""

from typing import Any

from secureapi.auth.schemas import (
    ChangePasswordRequest,
    FiguresResponse,
    LoggedOutResponse,
    LoginRequest,
    MessageResponse,
    RefreshRequest,
    TokenPairResponse,
)
from secureapi.auth.service import Credentials, Sessions, SignIn, Statistics
from secureapi.core.api import Blueprint, accepts, returns
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import public, requires, signed_in
from secureapi.security.identity import current_identity
from secureapi.security.limits import limited
from secureapi.security.permissions import Permission

blueprint = Blueprint("auth", __name__, description="Signing in, staying signed in, and signing out.")
administration = Blueprint("admin", __name__, description="Figures for administrators.")
my_credentials = Blueprint("my-credentials", __name__, description="One's own password.")


@blueprint.post("/login")
@public
@limited("login")
@accepts(LoginRequest, form=True, example={"email": "john@example.com", "password": "Tall-Trees-42!"})
@returns(TokenPairResponse)
def log_in(credentials: dict[str, Any]) -> Any:
    """Open a session with a username or an email address and a password, as JSON or as a form.

    Unknown, wrong, locked and disabled all get the same 401 `invalid_credentials`.
    """
    login = credentials.get("email") or credentials["username"]
    return service(SignIn).log_in(login=login, password=credentials["password"], client=current_client())


@blueprint.post("/refresh")
@public
@limited("refresh")
@accepts(RefreshRequest)
@returns(TokenPairResponse)
def refresh(presented: dict[str, Any]) -> Any:
    """Exchange a refresh token for a new pair.

    A refresh token is good once. Presenting it again closes the session (401 `refresh_reused`): one of the two who know it has
    stolen it.
    """
    return service(Sessions).refresh(**presented, client=current_client())


@blueprint.post("/logout")
@signed_in
@returns(MessageResponse)
def log_out() -> Any:
    """End this session. Its access token is refused from now on, everywhere."""
    service(Sessions).log_out(caller=current_identity(), client=current_client())
    return {"message": "Successfully logged out"}


@blueprint.post("/logout-all")
@signed_in
@returns(LoggedOutResponse)
def log_out_everywhere() -> Any:
    """End all of one's sessions, this one too."""
    ended = service(Sessions).log_out_everywhere(caller=current_identity(), client=current_client())
    return {"message": "Successfully logged out everywhere", "sessions_ended": ended}


@blueprint.post("/change-password")
@my_credentials.post("/me/change-password")
@signed_in
@accepts(ChangePasswordRequest)
@returns(MessageResponse)
def change_password(passwords: dict[str, Any]) -> Any:
    """Change one's own password. Every other session ends."""
    service(Credentials).change_password(**passwords, caller=current_identity(), client=current_client())
    return {"message": "Password changed successfully"}


@administration.get("/stats")
@requires(Permission.ADMIN_READ)
@returns(FiguresResponse)
def read_figures() -> Any:
    """How many accounts and sessions there are, and how many events the last day had."""
    return service(Statistics).figures()
