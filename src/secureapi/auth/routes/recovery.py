"""Lost passwords and addresses over HTTP: asking for messages, and following the links in them.

The links lead to pages, and the pages send the token here: what is done is done by a POST, so that no program which looks at the links
of a message does it.
"""

from http import HTTPStatus
from typing import Any

from secureapi.auth.routes.blueprints import auth
from secureapi.auth.schemas.recovery import AddressRequest, ResetRequest, TokenRequest
from secureapi.auth.schemas.signing_in import MessageResponse
from secureapi.auth.service import Addresses, Disowning, Recovery
from secureapi.core.api import accepts, returns
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import public
from secureapi.security.limits import limited

_TOKEN = {"token": "AZ8C-fkJf3KJ1BU4o6IFokH0m6nUd2ZbQh1xvK3pW9sYc7RtLeGj0g"}
_EMAIL = {"email": "john@example.com"}


@auth.post("/password/forgot")
@public
@limited("recovery")
@accepts(AddressRequest, example=_EMAIL)
@returns(MessageResponse, HTTPStatus.ACCEPTED, description="Look for a message at the address.")
def forget_password(wanted: dict[str, Any]) -> Any:
    """Ask for a link that sets a new password.

    The answer is the same whether or not there is an account with this address, and so is the time that it takes.
    """
    service(Recovery).ask_for_reset(**wanted, client=current_client())
    return {"message": "If there is an account with this address, a message with a link has been sent there."}


@auth.post("/password/reset")
@public
@limited("recovery")
@accepts(ResetRequest, example=_TOKEN | {"new_password": "Tall-Trees-42!"})
@returns(MessageResponse)
def reset_password(wanted: dict[str, Any]) -> Any:
    """Set a new password with the token of a link. All sessions end; nobody is signed in, and a second factor is asked for as before.

    A token is good once (400 `invalid_link`). A password that breaks rules (400 `weak_password`) does not use it up.
    """
    service(Recovery).reset_password(**wanted, client=current_client())
    return {"message": "Password changed. Sign in with the new one."}


@auth.post("/invitation/accept")
@public
@limited("recovery")
@accepts(ResetRequest, example=_TOKEN | {"new_password": "Tall-Trees-42!"})
@returns(MessageResponse)
def accept_invitation(wanted: dict[str, Any]) -> Any:
    """Choose the password of an account that was made for one, with the token of the link in the invitation. Nobody is signed in.

    A token is good once (400 `invalid_link`). A password that breaks rules (400 `weak_password`) does not use it up.
    """
    service(Recovery).accept_invitation(**wanted, client=current_client())
    return {"message": "Your account is ready. Sign in with your password."}


@auth.post("/unlock")
@public
@limited("recovery")
@accepts(TokenRequest, example=_TOKEN)
@returns(MessageResponse)
def unlock(wanted: dict[str, Any]) -> Any:
    """Lift the lock of an account with the token of a link, so that its password is looked at again."""
    service(Recovery).unlock(**wanted, client=current_client())
    return {"message": "The account is unlocked. Sign in with your password."}


@auth.post("/not-me")
@public
@limited("recovery")
@accepts(TokenRequest, example=_TOKEN)
@returns(MessageResponse)
def disown(wanted: dict[str, Any]) -> Any:
    """Say "this was not me" with the token of a link.

    All sessions end, and the password is refused until there is another one, for which a message is sent. If the address of the account
    was changed since, it gets back the one that the link was sent to.
    """
    service(Disowning).disown(**wanted, client=current_client())
    return {"message": "Every session was ended. Look for a message with a link that sets a new password."}


@auth.post("/email/verify")
@public
@limited("recovery")
@accepts(TokenRequest, example=_TOKEN)
@returns(MessageResponse)
def verify_email(wanted: dict[str, Any]) -> Any:
    """Show with the token of a link that one reads mail at the address of an account, or of one that is to be opened.

    With `EMAIL_VERIFICATION=required` this opens the account; 400 `registration_refused` when its name was taken meanwhile.
    """
    service(Addresses).verify(**wanted, client=current_client())
    return {"message": "The address is confirmed."}


@auth.post("/email/resend")
@public
@limited("recovery")
@accepts(AddressRequest, example=_EMAIL)
@returns(MessageResponse, HTTPStatus.ACCEPTED, description="Look for a message at the address.")
def resend_verification(wanted: dict[str, Any]) -> Any:
    """Ask once more for the message that confirms an address. The answer is the same whether or not anybody waits for one."""
    service(Addresses).ask_again(**wanted, client=current_client())
    return {"message": "If this address waits to be confirmed, a message with a link has been sent there."}


@auth.post("/email/confirm")
@public
@limited("recovery")
@accepts(TokenRequest, example=_TOKEN)
@returns(MessageResponse)
def confirm_email(wanted: dict[str, Any]) -> Any:
    """Confirm with the token of a link the address that an account shall have. From now on it has it; its sessions go on."""
    service(Addresses).confirm_change(**wanted, client=current_client())
    return {"message": "The account has this address now."}
