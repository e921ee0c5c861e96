"""The shape of what comes in around lost passwords and addresses."""

from typing import Any

from secureapi.core.schemas import ANYTHING, Password, StrictSchema, Text
from secureapi.users.schemas import email_field

_TOKEN_LENGTH = 128


def _token(**kwargs: Any) -> Text:
    return Text(
        least=1,
        most=_TOKEN_LENGTH,
        pattern=ANYTHING,
        required=True,
        load_only=True,
        metadata={"description": "What stands behind the # of the link."},
        **kwargs,
    )


class AddressRequest(StrictSchema):
    """The address of somebody who asks for a message."""

    email = email_field(required=True, load_only=True)


class TokenRequest(StrictSchema):
    """The token of a link from a message."""

    token = _token()


class ResetRequest(StrictSchema):
    """The token of a link from a message, and a new password."""

    token = _token()
    new_password = Password(required=True)
