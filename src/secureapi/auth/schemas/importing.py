"""The shape of people of another system, as administrators bring them with one request, and of what came of each."""

from typing import Any

from marshmallow import ValidationError, fields

from secureapi.core.schemas import Message, OneOf, StrictSchema, Truth
from secureapi.users.importing.rows import MOST_ROWS
from secureapi.users.schemas import role_name

_LIST_MESSAGES: dict[str, Any] = {
    "required": Message("required", "This field is required."),
    "null": Message("null", "This field must not be null."),
    "invalid": Message("type", "A list is expected."),
}


def _so_many(rows: list[Any]) -> None:
    if not rows:
        raise ValidationError(Message("too_short", "Name at least one."))
    if len(rows) > MOST_ROWS:
        raise ValidationError(Message("too_long", f"At most {MOST_ROWS} rows are accepted; longer files at the command line."))


class UserImport(StrictSchema):
    """People of another system. What stands in a row is looked at row by row, so that one bad row never stops the rest."""

    rows = fields.List(
        fields.Raw(allow_none=True),
        required=True,
        error_messages=_LIST_MESSAGES,
        validate=_so_many,
        metadata={
            "description": "Objects with `email` and, as in docs/import.md, `id`, `username`, `full_name`, `bio`, `website`, "
            "`password_hash`, `role`, `status`, `email_verified`.",
            "minItems": 1,
            "maxItems": MOST_ROWS,
        },
    )
    format = OneOf(
        ["csv", "ndjson"],
        load_default="ndjson",
        metadata={"description": "How values are written: all as text, as the cells of a table, or as JSON values."},
    )
    dry_run = Truth(load_default=False, metadata={"description": "Say what would become of each row, and change nothing."})
    role = role_name(load_default="user", metadata={"description": "The role of everybody: one with none but the caller's permissions."})
    with_roles = Truth(load_default=False, metadata={"description": "Take the role of each from his row, where it says one."})
    without_password = Truth(
        load_default=False,
        metadata={"description": "Open accounts for rows without a hash that can be read, too: they ask for a reset link."},
    )
    replace_usernames = Truth(
        load_default=False, metadata={"description": "Make another username for people whose own cannot be had here."}
    )


class RowFault(StrictSchema):
    """One thing that is wrong with a row. What stood there is not repeated."""

    pointer = fields.String(required=True, metadata={"description": "Where in the row, as a JSON Pointer (RFC 6901)."})
    code = fields.String(required=True)
    detail = fields.String(required=True)


class RowOutcome(StrictSchema):
    """What came of one row."""

    row = fields.Integer(required=True, attribute="number", metadata={"description": "From 1 on."})
    outcome = OneOf(["created", "would_create", "refused"], required=True)
    id = fields.String(metadata={"format": "uuid", "description": "The new account; not for a row that was refused, nor in a dry run."})
    errors = fields.List(fields.Nested(RowFault), required=True)


class UserImportResponse(StrictSchema):
    """What came of an import."""

    import_id = fields.String(required=True, metadata={"format": "uuid", "description": "Stands in the events of each new account."})
    dry_run = fields.Boolean(required=True)
    created = fields.Integer(required=True, metadata={"description": "In a dry run: how many would be."})
    refused = fields.Integer(required=True)
    rows = fields.List(fields.Nested(RowOutcome), required=True)
