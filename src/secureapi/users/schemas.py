"""The shape of what comes in and goes out about accounts."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validates_schema

from secureapi.core.pages import PageQuery
from secureapi.core.schemas import LINE, Message, MomentField, OneOf, Password, StrictSchema, Text
from secureapi.users.rules import BIO_LENGTH, EMAIL_LENGTH, MOST_PASSED, SORTS, STATUSES, USERNAME_PATTERN, WEBSITE_LENGTH, WEBSITE_PATTERN

_USERNAME_SAYS = "A username has 3 to 50 letters, digits, hyphens and underscores."


def username_field(**kwargs: Any) -> Text:
    """A username."""
    return Text(least=3, most=50, pattern=USERNAME_PATTERN, says=_USERNAME_SAYS, **kwargs)


def role_name(**kwargs: Any) -> Text:
    """The name of a role. Whether there is one is for services to find out."""
    return Text(least=2, most=32, pattern=r"[a-z][a-z0-9-]{1,31}", says="There is no role of such a name.", **kwargs)


def email_field(**kwargs: Any) -> Text:
    """An address as somebody types it: its size, and that there is an @ in it. What it comes to is for services to find out."""
    return Text(least=3, most=EMAIL_LENGTH, pattern=r"[^\s@]+@[^\s@]+", says="This is not an email address.", **kwargs)


class RegisterRequest(StrictSchema):
    """A new account."""

    username = username_field(required=True)
    email = email_field(required=True)
    password = Password(required=True)
    full_name = Text(most=100, pattern=LINE, allow_none=True)


class RegistrationRequestedResponse(StrictSchema):
    """The same for everybody who has to confirm his address first."""

    message = fields.String(required=True)


class ProfileChange(StrictSchema):
    """What somebody may change about himself. A field that is left out stays; null empties one that may be empty."""

    also: ClassVar[dict[str, Any]] = {"minProperties": 1}

    username = username_field()
    email = email_field()
    full_name = Text(most=100, pattern=LINE, allow_none=True)
    bio = Text(most=BIO_LENGTH, allow_none=True)
    website = Text(most=WEBSITE_LENGTH, pattern=WEBSITE_PATTERN, says="A website begins with http:// or https://.", allow_none=True)

    @validates_schema
    def _something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data:
            raise ValidationError(Message("empty", "Name at least one field to change."))


class UserResponse(StrictSchema):
    """An account as its owner and those who may read accounts see it."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    username = fields.String(required=True)
    email = fields.String(required=True)
    full_name = fields.String(required=True, allow_none=True)
    bio = fields.String(required=True, allow_none=True)
    website = fields.String(required=True, allow_none=True)
    role = fields.String(required=True)
    is_active = fields.Boolean(required=True)
    is_email_verified = fields.Boolean(required=True)
    created_at = MomentField(required=True)
    updated_at = MomentField(required=True)


class UserAsSeenResponse(UserResponse):
    """An account as other people see it, each what he may: see `visibility.py`."""

    pending_email = fields.String(allow_none=True, metadata={"description": "For its owner only."})
    status = OneOf(STATUSES, metadata={"description": "For administrators only, as all that follows. `invited`: nobody has come yet."})
    locked_at = MomentField(allow_none=True)
    locked_until = MomentField(allow_none=True, metadata={"description": "When the lock falls by itself; null: when it is lifted."})
    lock_reason = fields.String(allow_none=True)
    invited_at = MomentField(allow_none=True, metadata={"description": "When the newest invitation was sent, while none is accepted."})
    password_changed_at = MomentField()
    must_change_password = fields.Boolean(metadata={"description": "Whether the password opens nothing until another one is set."})


class OwnUserResponse(UserResponse):
    """The same as its owner sees it."""

    pending_email = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The address that this account will have as soon as the link in the message sent there is followed."},
    )


class UserListQuery(PageQuery):
    """Which accounts."""

    q = Text(least=1, most=100, pattern=LINE, metadata={"description": "Beginning of a username or an address, taken literally."})
    role = role_name()
    status = OneOf(STATUSES)
    sort = OneOf(SORTS, load_default="created_at")
    after = Text(
        least=1,
        most=100,
        pattern=LINE,
        metadata={"description": "A place in the list, from the Link header of another page: what stands behind it."},
    )

    @validates_schema
    def _not_too_deep(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if (data["page"] - 1) * data["per_page"] >= MOST_PASSED:
            raise ValidationError(Message("range", f"Behind the first {MOST_PASSED:,} accounts, follow the Link header."), "page")
        if "after" in data and data["page"] > 1:
            raise ValidationError(Message("one_of", "Give either `after` or `page`."), "after")


class UserListResponse(StrictSchema):
    """A page of accounts."""

    users = fields.List(fields.Nested(UserAsSeenResponse), required=True, attribute="items")
    total = fields.Integer(required=True, metadata={"description": f"{MOST_PASSED:,} stands for as many and more."})
    page = fields.Integer(required=True)
    per_page = fields.Integer(required=True)
    pages = fields.Integer(required=True)
