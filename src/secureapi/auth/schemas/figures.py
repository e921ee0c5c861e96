"""The shape of figures for administrators."""

from marshmallow import fields

from secureapi.core.schemas import MomentField, StrictSchema


class FiguresResponse(StrictSchema):
    """One look at the whole house."""

    users = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": "Accounts by status."})
    roles = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": "Active accounts by role."})
    active_sessions = fields.Integer(required=True)
    events_24h = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": "Events of the last day by severity."}
    )
    taken_at = MomentField(required=True)
