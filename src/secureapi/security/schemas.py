"""The shape of what comes in and goes out about the trail and the state of the house."""

from marshmallow import fields

from secureapi.core.schemas import MomentField, OneOf, StrictSchema, Text, WholeNumber
from secureapi.security.events import Severity

_YEAR_IN_HOURS = 24 * 366


class EventQuery(StrictSchema):
    """Which events."""

    hours = WholeNumber(least=1, most=_YEAR_IN_HOURS, is_asked=True, load_default=24, metadata={"description": "How far back."})
    severity = OneOf(severity.value for severity in Severity)
    type = Text(
        least=1,
        most=64,
        pattern=r"[a-z_]+(\.[a-z_]+)*(\.\*)?",
        says="An event's name, or its beginning with .* behind it.",
        attribute="event_type",
        metadata={"description": "A name such as `auth.login.refused`, or the beginning of names: `auth.*`."},
    )
    cursor = Text(least=1, most=64, pattern=r"[A-Za-z0-9_-]+", says="This cursor did not come from this list.")
    limit = WholeNumber(least=1, most=200, is_asked=True, load_default=50)


class EventResponse(StrictSchema):
    """One thing that happened."""

    id = fields.String(required=True)
    occurred_at = MomentField(required=True)
    type = fields.String(required=True)
    severity = fields.String(required=True)
    outcome = fields.String(required=True)
    actor_id = fields.String(required=True, allow_none=True)
    subject_id = fields.String(required=True, allow_none=True)
    session_id = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True)
    address = fields.String(required=True)
    user_agent = fields.String(required=True)
    details = fields.Dict(keys=fields.String(), required=True)


class EventListResponse(StrictSchema):
    """Events, newest first."""

    events = fields.List(fields.Nested(EventResponse), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "Give it as `cursor` to go on; null at the end."})


class CheckResponse(StrictSchema):
    """One thing this service depends on."""

    name = fields.String(required=True)
    status = OneOf(["ok", "failing"], required=True)
    milliseconds = fields.Float()


class HealthResponse(StrictSchema):
    """The state of the house. `checks` only for callers with `admin:read`."""

    status = OneOf(["ok", "degraded", "failing"], required=True)
    checks = fields.List(fields.Nested(CheckResponse))
