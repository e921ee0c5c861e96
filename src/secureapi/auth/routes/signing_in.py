"""Signing in and out over HTTP."""

from typing import Any

from secureapi.auth.cookies import Cookies
from secureapi.auth.door import Door
from secureapi.auth.own_pages import OwnPages
from secureapi.auth.routes.blueprints import auth, my_credentials
from secureapi.auth.routes.delivery import forgotten_when_refused, handed_over, remembered, renewed
from secureapi.auth.schemas.signing_in import (
    ChangePasswordRequest,
    FreshTokenResponse,
    LoggedOutResponse,
    LoginRequest,
    MessageResponse,
    PasswordChangedResponse,
    ReauthenticateRequest,
    RefreshRequest,
    TokenPairResponse,
)
from secureapi.auth.service import Credentials, Reauthentication, Sessions, SignIn
from secureapi.core.api import accepts, returns
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import counted_by_device, or_by_refresh_cookie, public, recently_authenticated, signed_in
from secureapi.security.identity import current_identity
from secureapi.security.limits import limited


@auth.post("/login")
@public
@limited("login")
@counted_by_device
@accepts(LoginRequest, form=True, example={"email": "john@example.com", "password": "Tall-Trees-42!"})
@returns(TokenPairResponse)
def log_in(credentials: dict[str, Any]) -> Any:
    """Open a session with a username or an email address and a password, as JSON or as a form.

    Unknown, wrong, locked and disabled all get the same 401 `invalid_credentials`. With `"delivery": "cookie"`, for pages in a
    browser, the tokens come as cookies and the answer has a `csrf_token` in their place.

    A program that signs in again and again keeps the `device_token` and brings it along as `X-Device-Token`, so that strangers who try
    passwords cannot lock it out. Browsers have it as a cookie.
    """
    by_cookie = credentials["delivery"] == "cookie"
    if by_cookie:
        # Or another site could sign somebody in under the attacker's name, and wait for what he then enters.
        service(OwnPages).refuse_others()
    login = credentials.get("email") or credentials["username"]
    door = service(Door)
    signed_in_as = service(SignIn).log_in(
        login=login,
        password=credentials["password"],
        device=door.device(),
        count_as_stranger=door.count_as_stranger,
        client=current_client(),
    )
    return handed_over(signed_in_as.pair, by_cookie=by_cookie, device_token=signed_in_as.device_token)


@auth.post("/refresh")
@public
@limited("refresh")
@accepts(RefreshRequest, may_be_empty=True)
@returns(TokenPairResponse)
def refresh(presented: dict[str, Any]) -> Any:
    """Exchange a refresh token, from the body or from its cookie, for a new pair, which comes back the same way.

    A refresh token is good once. Presenting it again closes the session (401 `refresh_reused`): one of the two who know it has
    stolen it. Only for a few seconds the same successor is given again, for answers that were lost. By cookie the body may be empty.
    """
    brought = service(Door).refresh_token(presented.get("refresh_token"))
    with forgotten_when_refused(by_cookie=brought.comes_by_cookie):
        pair = service(Sessions).refresh(refresh_token=brought.token, client=current_client())
    return handed_over(pair, by_cookie=brought.comes_by_cookie, csrf_token=brought.csrf_token)


@auth.post("/reauthenticate")
@signed_in
@limited("login")
@accepts(ReauthenticateRequest)
@returns(FreshTokenResponse)
def reauthenticate(proof: dict[str, Any]) -> Any:
    """Prove again who one is, and get an access token with which dangerous endpoints let one in (RFC 9470).

    Too many wrong passwords in a row end the session.
    """
    caller = current_identity()
    fresh = service(Reauthentication).prove_again(**proof, caller=caller, client=current_client())
    return renewed(fresh, by_cookie=caller.comes_by_cookie)


@auth.post("/logout")
@signed_in
@or_by_refresh_cookie
@returns(MessageResponse)
def log_out() -> Any:
    """End this session. Its access token is refused from now on, everywhere. The cookie with the refresh token alone will do."""
    caller = current_identity()
    service(Sessions).log_out(caller=caller, client=current_client())
    if caller.comes_by_cookie:
        service(Cookies).clear()
    return {"message": "Successfully logged out"}


@auth.post("/logout-all")
@signed_in
@or_by_refresh_cookie
@returns(LoggedOutResponse)
def log_out_everywhere() -> Any:
    """End all of one's sessions, this one too."""
    caller = current_identity()
    ended = service(Sessions).log_out_everywhere(caller=caller, client=current_client())
    if caller.comes_by_cookie:
        service(Cookies).clear()
    return {"message": "Successfully logged out everywhere", "sessions_ended": ended}


@auth.post("/change-password")
@my_credentials.post("/me/change-password")
@signed_in
@limited("login")
@recently_authenticated
@accepts(ChangePasswordRequest)
@returns(PasswordChangedResponse)
def change_password(passwords: dict[str, Any]) -> Any:
    """Change one's own password. Every other session ends, and other devices are not known any more.

    Too many wrong passwords in a row end this session too.
    """
    caller = current_identity()
    device = service(Door).device()
    device_token = service(Credentials).change_password(**passwords, device=device, caller=caller, client=current_client())
    return {"message": "Password changed successfully"} | remembered(device_token, by_cookie=caller.comes_by_cookie)
