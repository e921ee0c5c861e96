"""Signing in and out over HTTP."""

from typing import Any

from secureapi.auth.routes.blueprints import auth, my_credentials
from secureapi.auth.schemas.signing_in import (
    ChangePasswordRequest,
    LoggedOutResponse,
    LoginRequest,
    MessageResponse,
    RefreshRequest,
    TokenPairResponse,
)
from secureapi.auth.service import Credentials, Sessions, SignIn
from secureapi.core.api import accepts, returns
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import public, signed_in
from secureapi.security.identity import current_identity
from secureapi.security.limits import limited


@auth.post("/login")
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


@auth.post("/refresh")
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


@auth.post("/logout")
@signed_in
@returns(MessageResponse)
def log_out() -> Any:
    """End this session. Its access token is refused from now on, everywhere."""
    service(Sessions).log_out(caller=current_identity(), client=current_client())
    return {"message": "Successfully logged out"}


@auth.post("/logout-all")
@signed_in
@returns(LoggedOutResponse)
def log_out_everywhere() -> Any:
    """End all of one's sessions, this one too."""
    ended = service(Sessions).log_out_everywhere(caller=current_identity(), client=current_client())
    return {"message": "Successfully logged out everywhere", "sessions_ended": ended}


@auth.post("/change-password")
@my_credentials.post("/me/change-password")
@signed_in
@accepts(ChangePasswordRequest)
@returns(MessageResponse)
def change_password(passwords: dict[str, Any]) -> Any:
    """Change one's own password. Every other session ends."""
    service(Credentials).change_password(**passwords, caller=current_identity(), client=current_client())
    return {"message": "Password changed successfully"}
