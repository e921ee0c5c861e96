"""Questions of other services about our tokens, over HTTP: introspection (RFC 7662) and revocation (RFC 7009)."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import g

from secureapi.auth.errors import InvalidClientRequest
from secureapi.auth.routes.blueprints import auth
from secureapi.auth.routes.empty import empty_answer
from secureapi.auth.schemas.for_services import IntrospectionResponse, TokenQuestion
from secureapi.auth.service import Introspection
from secureapi.core.api import accepts, returns
from secureapi.core.errors import Invalid, Malformed
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import for_clients
from secureapi.security.limits import limited


def _in_oauth_words(view: Callable[..., Any]) -> Callable[..., Any]:
    """Answer what is wrong with the input as OAuth clients know it: 400 `invalid_request` (RFC 6749 section 5.2)."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except (Invalid, Malformed) as refusal:
            raise InvalidClientRequest(faults=refusal.faults) from None

    return wrapped


@auth.post("/introspect")
@for_clients
@limited("client")
@_in_oauth_words
@accepts(TokenQuestion, form=True, example={"token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9..."})
@returns(IntrospectionResponse)
def introspect(question: dict[str, Any]) -> Any:
    """Whether a token is good at this moment, and whose it is (RFC 7662).

    The client proves itself with HTTP Basic, or with `client_id` and `client_secret` in the form. Whatever is wrong with a token, and
    whether it ever was one, the answer is `{"active": false}` and nothing else. Asking changes nothing about the token.
    """
    return service(Introspection).introspect(question["token"], address=question.get("address", ""))


@auth.post("/revoke")
@for_clients
@limited("client")
@_in_oauth_words
@accepts(TokenQuestion, form=True, example={"token": "sar_..."})
@returns(None, description="Done, or there was nothing to do.")
def revoke(question: dict[str, Any]) -> Any:
    """End the session that a token belongs to, and with it every token of that session (RFC 7009). An API key is revoked as leaked.

    The client proves itself as for introspection. The answer is the same for a token that is unknown or over.
    """
    service(Introspection).revoke(question["token"], client_id=g.client_id, client=current_client())
    return empty_answer(HTTPStatus.OK)
