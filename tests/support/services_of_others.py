"""Another service that asks about our tokens, as a client does: with its id and secret, in a form."""

import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from secureapi.auth.service import Clients
from secureapi.core.requests import Client
from support.house import House

INTROSPECT, REVOKE = "/api/v1/auth/introspect", "/api/v1/auth/revoke"


@dataclass(frozen=True, slots=True)
class OtherService:
    """A client of a house, and short words for what it asks."""

    house: House
    id: str
    secret: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return basic(self.id, self.secret)

    def introspect(self, token: str, **fields: str) -> Any:
        return self.house.client().post(INTROSPECT, headers=self.headers, data={"token": token} | fields)

    def revoke(self, token: str, **fields: str) -> Any:
        return self.house.client().post(REVOKE, headers=self.headers, data={"token": token} | fields)


def basic(client_id: str, secret: str) -> dict[str, str]:
    """`client_secret_basic`: both are form-urlencoded before they are put together (RFC 6749 section 2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def add_service(house: House, **fields: str) -> OtherService:
    """A new client, under an id that no other has."""
    client_id = f"service-{secrets.token_hex(4)}"
    secret = house.service(Clients).add(client_id=client_id, client=Client.of_command_line(), **fields)
    return OtherService(house, client_id, secret)


def assert_oauth_problem(answer: Any, status: int, error: str) -> None:
    """A problem document that OAuth clients understand too (RFC 6749 section 5.2)."""
    problem = json.loads(answer.get_data(as_text=True))
    assert answer.status_code == status, problem
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (problem["error"], problem["code"], problem["status"]) == (error, error, status)
    assert problem["error_description"] == problem["detail"]
    assert not set('"\\') & set(problem["error_description"])
    assert problem["error_description"].isascii()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (status == 401) == answer.headers.get("WWW-Authenticate", "").startswith("Basic ")
