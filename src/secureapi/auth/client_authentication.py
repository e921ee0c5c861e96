"""Whether a service that asks about tokens is one of our clients: `client_secret_basic` or `client_secret_post` (RFC 6749 section 2.3.1).

An unknown id and a wrong secret get the same answer after the same work. Clients are added and removed in `service.clients`.
"""

import base64
import hmac
from io import BytesIO
from typing import Any
from urllib.parse import unquote_plus

from flask import request

from secureapi.auth import events
from secureapi.auth.client_secrets import hash_of
from secureapi.auth.errors import InvalidClient, InvalidClientRequest
from secureapi.auth.repository import find_secret_hash
from secureapi.core.bodies import FORM, JSON, read_body, read_structured
from secureapi.core.database import Database
from secureapi.core.errors import Invalid, Malformed, TooLarge, TooSlow, UnsupportedMedia
from secureapi.core.requests import current_client
from secureapi.core.secret_values import SecretBox
from secureapi.core.strict_json import storable
from secureapi.security.limits import Limits
from secureapi.security.trail import Trail

_READ = (FORM, JSON)
_SCHEME = "basic"
_MOST_CHARACTERS = 1024
"""In the Authorization header: several times what our ids and secrets need with every character escaped."""
_LONGEST_ID = 64
_NOBODY = ""
_NO_HASH = bytes(32)
_LIMIT, _GUESSES = "client", "client_guess"


class ClientAuthentication:
    """Asks the request at hand for a client's id and secret."""

    def __init__(self, *, database: Database, trail: Trail, secret_box: SecretBox, limits: Limits) -> None:
        self._database = database
        self._trail = trail
        self._secrets = secret_box
        self._limits = limits

    def client_id(self) -> str:
        """The id of the client that sent this request. Raises `InvalidClient`, and `InvalidClientRequest` for two secrets at once."""
        header = request.headers.get("Authorization")
        if header is None:
            return self._by_form()
        client_id = self._proved(*_basic(header))
        fields = _fields()
        # What stands in front of us could have looked at the other one (RFC 6749 section 2.3: one method for each request).
        if "client_secret" in fields or fields.get("client_id", client_id) != client_id:
            raise InvalidClientRequest
        return client_id

    def _by_form(self) -> str:
        try:
            fields = _fields()
        except (TooLarge, TooSlow):
            # The guard makes strangers pay for wrong credentials, not for these. Reading the body has cost us as much.
            self._limits.spend(_LIMIT, current_client().address)
            raise
        client_id, secret = fields.get("client_id"), fields.get("client_secret")
        if not isinstance(client_id, str) or not isinstance(secret, str):
            raise InvalidClient
        return self._proved(client_id, secret)

    def _proved(self, client_id: str, secret: str) -> str:
        """The same id, if the secret is its own. Unknown ids are looked up and compared like any other."""
        is_possible = len(client_id) <= _LONGEST_ID and storable(client_id)
        with self._database.reading() as connection:
            kept = find_secret_hash(connection, client_id if is_possible else _NOBODY)
        is_right = hmac.compare_digest(hash_of(secret), kept or _NO_HASH)
        if kept is None or not is_right:
            self._remember_refusal(client_id)
            raise InvalidClient
        return client_id

    def _remember_refusal(self, client_id: str) -> None:
        """Counted before it is written down, like wrong passwords: whoever guesses without end must not fill the trail without end."""
        client = current_client()
        self._limits.spend(_GUESSES, client.address)
        typed = self._secrets.fingerprint("client", client_id[:_MOST_CHARACTERS])
        with self._database.writing() as connection:
            self._trail.record(connection, events.CLIENT_REFUSED, client=client, client_id=typed)


def _basic(header: str) -> tuple[str, str]:
    """Id and secret from `Basic ...`: both are form-urlencoded inside. Whatever cannot be read is nobody's, with no secret."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != _SCHEME or len(encoded) > _MOST_CHARACTERS:
        return _NOBODY, ""
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError:
        return _NOBODY, ""


def _fields() -> dict[str, Any]:
    """What the body says, without what it leaves empty: that counts as not sent (RFC 6749 section 3.2).

    A body of another kind has nothing for us; the endpoint refuses it. The endpoint reads the same bytes again.
    """
    if request.mimetype not in _READ:
        return {}
    body = read_body(request)
    request.environ["wsgi.input"] = BytesIO(body)
    try:
        fields = read_structured(request, _READ)
    except UnsupportedMedia:
        return {}
    except (Malformed, Invalid) as refusal:
        raise InvalidClientRequest(faults=refusal.faults, detail=refusal.sentence) from None
    finally:
        request.environ["wsgi.input"] = BytesIO(body)
    return {name: value for name, value in fields.items() if value != ""} if isinstance(fields, dict) else {}
