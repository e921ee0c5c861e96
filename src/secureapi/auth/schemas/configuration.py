"""The shape of settings that may change while the server runs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validates_schema

from secureapi.core.schemas import LINE, Message, MomentField, StrictSchema, Text, Truth, WholeNumber
from secureapi.core.settings_versions import COMMENT_LENGTH

_MOST_CHANGES = 100
_LONGEST_VALUE = 200
_NEWEST = 2**31 - 1
_VALUE: dict[str, Any] = {"type": ["string", "number", "boolean", "null"], "maxLength": _LONGEST_VALUE}


class SettingChanges(fields.Field[Mapping[str, Any]]):
    """Values by the names of settings; null takes one back. What each of them may be is for the service to decide."""

    default_error_messages = {  # noqa: RUF012 - marshmallow's own way of declaring it
        "null": Message("null", "This field must not be null."),
        "invalid": Message("type", "An object is expected: values by the names of settings."),
    }

    def __init__(self, **kwargs: Any) -> None:
        shape = {"type": "object", "additionalProperties": _VALUE, "minProperties": 1, "maxProperties": _MOST_CHANGES}
        kwargs["metadata"] = shape | dict(kwargs.get("metadata") or {})
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Mapping[str, Any]:  # noqa: ARG002
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        if not 1 <= len(value) <= _MOST_CHANGES:
            raise ValidationError(Message("length", f"From 1 to {_MOST_CHANGES} settings are accepted."))
        faults = {name: [fault] for name, given in value.items() if (fault := _fault_of(given))}
        if faults:
            raise ValidationError(faults)
        return value


def _fault_of(given: Any) -> Message | None:
    if given is not None and not isinstance(given, str | int | float):
        return Message("type", "Text, a number, true, false or null is expected.")
    if isinstance(given, str) and len(given) > _LONGEST_VALUE:
        return Message("too_long", f"At most {_LONGEST_VALUE} characters are accepted.")
    return None


class ConfigurationRequest(StrictSchema):
    """New values for some settings, or an older version of all of them."""

    also: ClassVar[dict[str, Any]] = {"oneOf": [{"required": ["changes"]}, {"required": ["restore"]}]}

    changes = SettingChanges(metadata={"description": "Values by the names of settings; null lets the environment decide again."})
    restore = WholeNumber(
        least=0, most=_NEWEST, metadata={"description": "Let everything be as it was with this version; 0: as before the first one."}
    )
    version = WholeNumber(
        least=0, most=_NEWEST, required=True, metadata={"description": "The version that the caller has seen: no other one is changed."}
    )
    comment = Text(most=COMMENT_LENGTH, pattern=LINE, load_default="", metadata={"description": "Why. Kept with the version."})
    dry_run = Truth(load_default=False, metadata={"description": "Only say what would be changed, or what is wrong."})

    @validates_schema
    def _one_of_both(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("changes" in data) == ("restore" in data):
            raise ValidationError(Message("one_of", "Give either `changes` or `restore`."), "changes")


class AuthorResponse(StrictSchema):
    """Who made a version."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    username = fields.String(required=True, allow_none=True, metadata={"description": "Null where the account is gone."})


class SettingResponse(StrictSchema):
    """One setting, as the worker that answers has it in force."""

    name = fields.String(required=True)
    group = fields.String(required=True)
    description = fields.String(required=True)
    type = fields.String(required=True, metadata={"enum": ["boolean", "integer", "number", "rate", "string"]})
    value = fields.Raw(required=True, metadata={"type": ["string", "number", "boolean"]})
    default = fields.Raw(
        required=True,
        metadata={"type": ["string", "number", "boolean"], "description": "What counts while nobody has changed it."},
    )
    source = fields.String(required=True, metadata={"enum": ["default", "environment", "changed"]})
    # As they were declared: a bound of whole numbers is one.
    least = fields.Raw(required=True, metadata={"type": ["number", "null"], "description": "Of a rate: its requests."})
    most = fields.Raw(required=True, metadata={"type": ["number", "null"]})
    choices = fields.List(fields.String(), required=True, metadata={"description": "Empty where there is no list of them."})


class UnusableResponse(StrictSchema):
    """A value that was set and does not count: this version of the server, or this host's environment, cannot be with it."""

    name = fields.String(required=True)
    reason = fields.String(required=True)


class ConfigurationResponse(StrictSchema):
    """The settings that may change while the server runs."""

    version = fields.Integer(required=True, metadata={"description": "0 where nobody has ever changed anything."})
    made_at = MomentField(required=True, allow_none=True)
    made_by = fields.Nested(AuthorResponse, required=True, allow_none=True, metadata={"description": "Null for the command line."})
    comment = fields.String(required=True)
    effective_within_seconds = fields.Integer(
        required=True, metadata={"description": "So long after a change every worker that reaches the database has it."}
    )
    settings = fields.List(fields.Nested(SettingResponse), required=True)
    unusable = fields.List(fields.Nested(UnusableResponse), required=True)


class SettingChangeResponse(StrictSchema):
    """What was set, as text. Null: the environment decides."""

    name = fields.String(required=True)
    before = fields.String(required=True, allow_none=True)
    after = fields.String(required=True, allow_none=True)


class ConfigurationChangeResponse(StrictSchema):
    """What came of it. It counts at once for the worker that answers."""

    version = fields.Integer(required=True, metadata={"description": "The version in force. Nothing differs: the one from before."})
    is_dry_run = fields.Boolean(required=True)
    effective_within_seconds = fields.Integer(required=True)
    changes = fields.List(fields.Nested(SettingChangeResponse), required=True)


class SettingsVersionResponse(StrictSchema):
    """One version of the past."""

    version = fields.Integer(required=True)
    made_at = MomentField(required=True)
    made_by = fields.Nested(AuthorResponse, required=True, allow_none=True, metadata={"description": "Null for the command line."})
    comment = fields.String(required=True)
    restored = fields.Integer(required=True, allow_none=True, metadata={"description": "The version that was brought back."})
    changes = fields.List(fields.Nested(SettingChangeResponse), required=True)


class SettingsVersionsResponse(StrictSchema):
    """A page of versions, newest first."""

    versions = fields.List(fields.Nested(SettingsVersionResponse), required=True, attribute="items")
    total = fields.Integer(required=True)
    page = fields.Integer(required=True)
    per_page = fields.Integer(required=True)
    pages = fields.Integer(required=True)
