"""The shape of what administrators send and get: accounts of other people, roles, and why somebody may do something."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validates_schema

from secureapi.core.schemas import LINE, Message, MomentField, OneOf, Password, StrictSchema, Text, WholeNumber, each_once
from secureapi.security.permissions import Permission
from secureapi.users.rules import ROLE_PATTERN
from secureapi.users.schemas import ProfileChange, UserAsSeenResponse, email_field, role_name, username_field

_PERMISSIONS = sorted(permission.value for permission in Permission)
_TEN_YEARS = 10 * 365 * 24 * 60
_ROLE_SAYS = "A role has 2 to 32 lower-case letters, digits and hyphens, and begins with a letter."


class UserCreation(StrictSchema):
    """An account for somebody else: with a password, or as an invitation."""

    username = username_field(required=True)
    email = email_field(required=True)
    password = Password()
    invite = OneOf(["mail"], metadata={"description": "How its owner is sent a link to choose a password."})
    role = role_name(load_default="user")
    full_name = Text(most=100, pattern=LINE, allow_none=True)

    @validates_schema
    def _one_way(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("password" in data) == ("invite" in data):
            raise ValidationError(Message("one_of", "Give either a password or `invite`."), "password")


class UserChange(ProfileChange):
    """What administrators may change of somebody's account. A field that is left out stays."""

    role = role_name(metadata={"description": "Needs `admin:write`, and every permission of the role."})
    status = OneOf(["active", "disabled"], metadata={"description": "Needs `admin:write`."})


class UserChangedResponse(UserAsSeenResponse):
    """An account that was made or changed. Whoever may not read accounts gets its id, its username and what he sent."""

    email = fields.String()
    full_name = fields.String(allow_none=True)
    bio = fields.String(allow_none=True)
    website = fields.String(allow_none=True)
    role = fields.String()
    is_active = fields.Boolean()
    is_email_verified = fields.Boolean()
    created_at = MomentField()
    updated_at = MomentField()


class UserLock(StrictSchema):
    """How long, and why. Nothing of it needs to be said."""

    until = MomentField(metadata={"description": "When the lock falls by itself."})
    minutes = WholeNumber(least=1, most=_TEN_YEARS, metadata={"description": "The same, from now on."})
    reason = Text(least=1, most=200, pattern=LINE, metadata={"description": "For administrators; nobody else is told."})

    @validates_schema
    def _one_end(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if "until" in data and "minutes" in data:
            raise ValidationError(Message("one_of", "Give either `until` or `minutes`."), "minutes")


class RoleCreation(StrictSchema):
    """A role over the permissions that there are."""

    name = Text(least=2, most=32, pattern=ROLE_PATTERN, says=_ROLE_SAYS, required=True)
    description = Text(most=200, pattern=LINE, load_default="")
    permissions = fields.List(OneOf(_PERMISSIONS), required=True, validate=each_once, metadata={"uniqueItems": True})
    rank = WholeNumber(
        least=0, most=99, metadata={"description": "Whoever has it acts on accounts of this rank and below. As `user` (20) unless given."}
    )


class RoleChange(StrictSchema):
    """What is left out stays."""

    also: ClassVar[dict[str, Any]] = {"minProperties": 1}

    description = Text(most=200, pattern=LINE)
    permissions = fields.List(OneOf(_PERMISSIONS), validate=each_once, metadata={"uniqueItems": True})
    rank = WholeNumber(least=0, most=99)
    version = Text(
        least=16,
        most=16,
        pattern=r"[0-9a-f]{16}",
        says="A version has sixteen hexadecimal digits.",
        metadata={"description": "That of the role as you have read it: then it is changed only if nobody else has changed it since."},
    )

    @validates_schema
    def _something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data.keys() - {"version"}:
            raise ValidationError(Message("empty", "Name at least one field to change."))


class RoleResponse(StrictSchema):
    """A role."""

    name = fields.String(required=True)
    description = fields.String(required=True)
    rank = fields.Integer(required=True)
    permissions = fields.List(fields.String(), required=True)
    is_built_in = fields.Boolean(required=True)
    version = fields.String(required=True, metadata={"description": "Another one for each description, rank and permissions."})


class RolesResponse(StrictSchema):
    """Every role, the built-in ones first."""

    roles = fields.List(fields.Nested(RoleResponse), required=True)


class ExplanationQuery(StrictSchema):
    """Who, and what."""

    user = Text(least=1, most=254, pattern=LINE, required=True, metadata={"description": "Id, username or address."})
    permission = OneOf(_PERMISSIONS, required=True)


class ExplanationResponse(StrictSchema):
    """Yes or no, and why."""

    user_id = fields.String(required=True, metadata={"format": "uuid"})
    username = fields.String(required=True)
    role = fields.String(required=True)
    permission = fields.String(required=True)
    is_allowed = fields.Boolean(required=True)
    code = fields.String(required=True, metadata={"description": "`role_grants`, `role_lacks`, `unknown_role`, `account_disabled`, …"})
    reason = fields.String(required=True)
