"""The shape of what comes in and goes out around signing in."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validates_schema

from secureapi.core.schemas import ANYTHING, Message, OneOf, Password, StrictSchema, Text

_LOGIN_LENGTH = 320
_DEVICE_TOKEN = "For the X-Device-Token header of later sign-ins, by which this device is known. It lets nobody in."  # noqa: S105 - says so


class LoginRequest(StrictSchema):
    """A username or an email address, and a password. Only the size is checked: what is wrong must not be told apart."""

    also: ClassVar[dict[str, Any]] = {"oneOf": [{"required": ["username"]}, {"required": ["email"]}]}

    username = Text(least=1, most=_LOGIN_LENGTH, pattern=ANYTHING)
    email = Text(least=1, most=_LOGIN_LENGTH, pattern=ANYTHING)
    password = Password(required=True)
    delivery = OneOf(
        ["body", "cookie"],
        load_default="body",
        metadata={"description": "Where the tokens are put: into the answer, or into cookies that scripts cannot read."},
    )

    @validates_schema
    def _one_name(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("username" in data) == ("email" in data):
            raise ValidationError(Message("one_of", "Give either username or email."))


class TokenPairResponse(StrictSchema):
    """RFC 6749 section 5.1; by cookie without the tokens and with a CSRF token."""

    also: ClassVar[dict[str, Any]] = {"oneOf": [{"required": ["access_token", "refresh_token"]}, {"required": ["csrf_token"]}]}

    access_token = fields.String()
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds."})
    refresh_token = fields.String()
    refresh_expires_in = fields.Integer(required=True, metadata={"description": "Seconds."})
    csrf_token = fields.String(metadata={"description": "By cookie only: for the X-CSRF-Token header of every unsafe request."})
    device_token = fields.String(metadata={"description": f"After signing in only. {_DEVICE_TOKEN}"})


class RefreshRequest(StrictSchema):
    """The refresh token that came with the last pair; nothing where it comes by cookie."""

    refresh_token = Text(least=1, most=512, pattern=ANYTHING, load_only=True)


class ReauthenticateRequest(StrictSchema):
    """The password of whoever is signed in."""

    password = Password(required=True)


class FreshTokenResponse(StrictSchema):
    """Another access token of the same session; by cookie without it."""

    access_token = fields.String()
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds."})


class ChangePasswordRequest(StrictSchema):
    """The present password and a new one."""

    current_password = Password(required=True)
    new_password = Password(required=True)


class MessageResponse(StrictSchema):
    """A sentence."""

    message = fields.String(required=True)


class PasswordChangedResponse(MessageResponse):
    """A sentence; and for a device that was known, what it is known by from now on."""

    device_token = fields.String(metadata={"description": _DEVICE_TOKEN})


class LoggedOutResponse(MessageResponse):
    """What ended."""

    sessions_ended = fields.Integer(required=True)
