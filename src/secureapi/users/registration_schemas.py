"""The shape of what comes back to somebody who asks for an account and has to confirm his address first."""

from marshmallow import fields

from secureapi.core.schemas import StrictSchema


class RegistrationRequestedResponse(StrictSchema):
    """The same for everybody."""

    message = fields.String(required=True)
