"""Asking whether a password would do, before it is chosen."""

from typing import Any

from secureapi.auth.routes.blueprints import auth
from secureapi.auth.schemas.password_check import PasswordCheckRequest, PasswordCheckResponse
from secureapi.core.api import accepts, returns
from secureapi.core.services import service
from secureapi.security.guard import public
from secureapi.security.limits import limited
from secureapi.security.passwords import PasswordPolicy, words_about


@auth.post("/password/check")
@public
@limited("password_check")
@accepts(PasswordCheckRequest)
@returns(PasswordCheckResponse)
def check_password(candidate: dict[str, Any]) -> Any:
    """Which rules a password would fail, and what the policy asks for. For forms.

    Nothing is stored, logged or hashed. Former passwords are not looked at: whether one comes back is found when it is changed.
    """
    policy = service(PasswordPolicy)
    faults = policy.faults(candidate.pop("password"), personal=words_about(**candidate))
    return {"is_acceptable": not faults, "errors": faults, "policy": policy.requirements()}
