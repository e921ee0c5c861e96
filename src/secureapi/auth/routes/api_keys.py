"""One's own API keys over HTTP. For people only: a key manages no keys."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from secureapi.auth.routes.blueprints import auth
from secureapi.auth.routes.empty import empty_answer
from secureapi.auth.schemas.api_keys import (
    ApiKeyRequest,
    ApiKeysResponse,
    NewApiKeyResponse,
    RotatedApiKeyResponse,
    RotateRequest,
    UsageQuery,
    UsageResponse,
)
from secureapi.auth.service import ApiKeys
from secureapi.auth.service.api_keys import ToldKey
from secureapi.core.api import accepts, asks, returns
from secureapi.core.requests import current_client
from secureapi.core.services import service
from secureapi.security.guard import recently_authenticated, signed_in
from secureapi.security.idempotency import idempotent
from secureapi.security.identity import current_identity

_EXAMPLE = {"name": "Nightly report", "scopes": ["content:read"], "allowed_networks": ["203.0.113.0/24"], "daily_quota": 5000}


@auth.get("/api-keys")
@signed_in
@returns(ApiKeysResponse)
def list_api_keys() -> Any:
    """One's own API keys that are not revoked, newest first. Behind them expired ones are shown for thirty days."""
    return {"api_keys": service(ApiKeys).list_of(user_id=current_identity().user_id)}


@auth.post("/api-keys")
@signed_in
@recently_authenticated
@accepts(ApiKeyRequest, example=_EXAMPLE)
@idempotent(never_replayed=("api_key",))
@returns(NewApiKeyResponse, HTTPStatus.CREATED)
def create_api_key(wanted: dict[str, Any]) -> Any:
    """Make an API key. Its value is told this one time; it comes back as `X-API-Key` or as a bearer token.

    It can do what its scopes say and its owner may do at that moment, and never anything with keys, passwords, sessions or second
    factors. 403 `scope_not_held` for a scope that one has not oneself.
    """
    caller = current_identity()
    return _told(service(ApiKeys).create(**wanted, user_id=caller.user_id, caller=caller, client=current_client()))


@auth.post("/api-keys/<id:key_id>/rotate")
@signed_in
@recently_authenticated
@accepts(RotateRequest, may_be_empty=True)
@returns(RotatedApiKeyResponse)
def rotate_api_key(wanted: dict[str, Any], key_id: str) -> Any:
    """Give a key another value, told this one time. The one before goes on for `overlap_hours`, so that no request fails meanwhile.

    Both count as the same key: one limit, one quota, one log.
    """
    told = service(ApiKeys).rotate(**wanted, key_id=key_id, caller=current_identity(), client=current_client())
    return _told(told) | {"former_values_until": told.former_values_until}


@auth.delete("/api-keys/<id:key_id>")
@signed_in
@returns(None, HTTPStatus.NO_CONTENT)
def revoke_api_key(key_id: str) -> Any:
    """Revoke a key. All of its values are refused from now on, everywhere."""
    service(ApiKeys).revoke(key_id=key_id, caller=current_identity(), client=current_client())
    return empty_answer(HTTPStatus.NO_CONTENT)


@auth.get("/api-keys/<id:key_id>/usage")
@signed_in
@asks(UsageQuery)
@returns(UsageResponse)
def show_api_key_usage(wanted: dict[str, Any], key_id: str) -> Any:
    """How often a key was used on each day, and when and from where last. Of a revoked key too."""
    return service(ApiKeys).usage(**wanted, key_id=key_id, caller=current_identity())


def _told(told: ToldKey) -> dict[str, Any]:
    return asdict(told.key) | {"api_key": told.value}
