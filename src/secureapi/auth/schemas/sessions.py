"""The shape of sessions, for their owner and for administrators."""

from marshmallow import fields

from secureapi.core.schemas import MomentField, StrictSchema


class SessionResponse(StrictSchema):
    """A session that is going on."""

    id = fields.String(required=True)
    device = fields.String(
        required=True,
        metadata={"description": "What the device said it was at the sign-in, in a few words. A hint: it can say what it likes."},
    )
    address = fields.String(required=True, metadata={"description": "Where the session was opened from."})
    created_at = MomentField(required=True)
    last_used_at = MomentField(
        required=True,
        metadata={"description": "The last refresh, or the sign-in. Requests in between leave no trace: each would cost a write."},
    )
    expires_at = MomentField(
        required=True, metadata={"description": "When it ends unless it is refreshed before, or at the latest, whichever is sooner."}
    )
    is_current = fields.Boolean(required=True, metadata={"description": "Whether it is the session of this request."})


class SessionsResponse(StrictSchema):
    """All of somebody's, last used first."""

    sessions = fields.List(fields.Nested(SessionResponse), required=True)


class SessionsEndedResponse(StrictSchema):
    """What ended."""

    sessions_ended = fields.Integer(required=True)
