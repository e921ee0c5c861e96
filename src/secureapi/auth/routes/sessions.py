"""Sessions over HTTP: one's own, and other people's for administrators."""

from http import HTTPStatus
from typing import Any

from secureapi.auth.cookies import Cookies
from secureapi.auth.routes.blueprints import auth, people
from secureapi.auth.routes.empty import empty_answer
from secureapi.auth.schemas.sessions import SessionsEndedResponse, SessionsResponse
from secureapi.auth.service import LivingSessions
from secureapi.core.api import returns
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import people_only, requires, signed_in
from secureapi.security.identity import current_identity
from secureapi.security.permissions import Permission


@auth.get("/sessions")
@signed_in
@returns(SessionsResponse)
def list_my_sessions() -> Any:
    """One's own sessions that are going on, last used first."""
    return {"sessions": service(LivingSessions).mine(caller=current_identity())}


@auth.delete("/sessions/<id:session_id>")
@signed_in
@returns(None, HTTPStatus.NO_CONTENT)
def end_my_session(session_id: str) -> Any:
    """End one of one's own sessions. Its tokens are refused from now on, everywhere. Ending the current one is signing out."""
    caller = current_identity()
    service(LivingSessions).end_mine(session_id=session_id, caller=caller, client=current_client())
    if caller.comes_by_cookie and session_id == caller.session_id:
        service(Cookies).clear()
    return empty_answer(HTTPStatus.NO_CONTENT)


@auth.delete("/sessions")
@signed_in
@returns(SessionsEndedResponse)
def end_my_other_sessions() -> Any:
    """End all of one's own sessions but this one."""
    return {"sessions_ended": service(LivingSessions).end_my_others(caller=current_identity(), client=current_client())}


@people.get("/<id:user_id>/sessions")
@people_only
@requires(Permission.USERS_READ, Permission.ADMIN_READ)
@returns(SessionsResponse)
def list_sessions(user_id: str) -> Any:
    """Somebody's sessions that are going on, last used first. Leaves an event."""
    return {"sessions": service(LivingSessions).of(user_id=user_id, caller=current_identity(), client=current_client())}


@people.delete("/<id:user_id>/sessions/<id:session_id>")
@people_only
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@returns(None, HTTPStatus.NO_CONTENT)
def end_session(user_id: str, session_id: str) -> Any:
    """End one of somebody's sessions. Its tokens are refused from now on, everywhere."""
    service(LivingSessions).end_one_of(user_id=user_id, session_id=session_id, caller=current_identity(), client=current_client())
    return empty_answer(HTTPStatus.NO_CONTENT)


@people.delete("/<id:user_id>/sessions")
@people_only
@requires(Permission.USERS_WRITE, Permission.ADMIN_WRITE)
@returns(SessionsEndedResponse)
def end_sessions(user_id: str) -> Any:
    """End all of somebody's sessions."""
    return {"sessions_ended": service(LivingSessions).end_all_of(user_id=user_id, caller=current_identity(), client=current_client())}
