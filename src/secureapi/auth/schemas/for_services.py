"""The shape of what other services ask about our tokens, and of the clients that may ask."""

import sys
from typing import Any

from marshmallow import EXCLUDE, fields

from secureapi.core.schemas import ANYTHING, LINE, MomentField, StrictSchema, Text


class Whatever(Text):
    """Text of any length that a body can have: what is no token is answered as one that is not active, however long it is."""

    def __init__(self, *, least: int = 0, **kwargs: Any) -> None:
        super().__init__(least=least, most=sys.maxsize, pattern=ANYTHING, **kwargs)
        self.metadata = {name: value for name, value in self.metadata.items() if name != "maxLength"}


class TokenQuestion(StrictSchema):
    """A token, and a guess at its kind. Other parameters are ignored, as the RFCs want it (RFC 6749 section 3.2)."""

    class Meta:
        """marshmallow's options."""

        unknown = EXCLUDE

    token = Whatever(least=1, required=True, load_only=True)
    address = Whatever(
        metadata={"description": "Where the token came from: an API key that is bound to networks is active from these only. Ours."}
    )
    token_type_hint = Whatever(metadata={"description": "Ignored: our tokens tell by themselves what they are."})


class IntrospectionResponse(StrictSchema):
    """RFC 7662 section 2.2. Nothing but `active` for a token that is not active."""

    active = fields.Boolean(required=True)
    token_type = fields.String(
        metadata={"description": "`Bearer` for an access token, `refresh_token` for the other kind, `api_key` for an API key."}
    )
    client_id = fields.String()
    sub = fields.String(metadata={"description": "The user's id."})
    scope = fields.String(metadata={"description": "For API keys: what it may do at this moment, and nothing besides."})
    username = fields.String()
    iss = fields.String()
    aud = fields.String()
    exp = fields.Integer(metadata={"description": "Seconds since the epoch, like the other moments here."})
    iat = fields.Integer()
    nbf = fields.Integer()
    jti = fields.String()
    sid = fields.String(metadata={"description": "The session's id."})
    role = fields.String()
    auth_time = fields.Integer()
    amr = fields.List(fields.String(), metadata={"description": "How the user proved who he is (RFC 8176)."})


class NewClient(StrictSchema):
    """A client as an operator names it."""

    client_id = Text(
        most=64,
        required=True,
        pattern="[a-z0-9][a-z0-9._-]{2,63}",
        says="3 to 64 of a-z, 0-9, dot, underscore and hyphen are expected, a letter or digit first.",
    )
    description = Text(most=200, pattern=LINE)


class ClientResponse(StrictSchema):
    """A client, without its secret: that is told once, when it is made."""

    client_id = fields.String(required=True, attribute="id")
    description = fields.String(required=True)
    created_at = MomentField(required=True)
