"""The shape of what comes in and goes out around signing in."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validates_schema

from secureapi.core.schemas import ANYTHING, Message, Password, StrictSchema, Text

_LOGIN_LENGTH = 320


class LoginRequest(StrictSchema):
    """A username or an email address, and a password. Only the size is checked: what is wrong must not be told apart."""

    also: ClassVar[dict[str, Any]] = {"oneOf": [{"required": ["username"]}, {"required": ["email"]}]}

    username = Text(least=1, most=_LOGIN_LENGTH, pattern=ANYTHING)
    email = Text(least=1, most=_LOGIN_LENGTH, pattern=ANYTHING)
    password = Password(required=True)

    @validates_schema
    def _one_name(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("username" in data) == ("email" in data):
            raise ValidationError(Message("one_of", "Give either username or email."))


class TokenPairResponse(StrictSchema):
    """RFC 6749 section 5.1."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds."})
    refresh_token = fields.String(required=True)
    refresh_expires_in = fields.Integer(required=True, metadata={"description": "Seconds."})


class RefreshRequest(StrictSchema):
    """The refresh token that came with the last pair."""

    refresh_token = Text(least=1, most=512, required=True, pattern=ANYTHING, load_only=True)


class ChangePasswordRequest(StrictSchema):
    """The present password and a new one."""

    current_password = Password(required=True)
    new_password = Password(required=True)


class MessageResponse(StrictSchema):
    """A sentence."""

    message = fields.String(required=True)


class LoggedOutResponse(MessageResponse):
    """What ended."""

    sessions_ended = fields.Integer(required=True)
