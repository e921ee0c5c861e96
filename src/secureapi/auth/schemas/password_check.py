"""The shape of what comes in and goes out where somebody asks whether a password would do."""

from marshmallow import fields

from secureapi.core.schemas import ANYTHING, Password, StrictSchema, Text

_MOST_TYPED = 1024
"""More than any password may have, so that too long a one gets its rule named like any other fault."""


class PasswordCheckRequest(StrictSchema):
    """A password that somebody thinks of, and who he is, as far as a form knows it already. Of names only the size is checked."""

    password = Password(least=0, most=_MOST_TYPED, required=True)
    username = Text(most=320, pattern=ANYTHING, load_only=True)
    email = Text(most=320, pattern=ANYTHING, load_only=True)
    full_name = Text(most=100, pattern=ANYTHING, allow_none=True, load_only=True)


class FailedRuleSchema(StrictSchema):
    """One rule that the password fails."""

    code = fields.String(required=True, metadata={"description": "Stable, for programs."})
    detail = fields.String(required=True, metadata={"description": "A sentence, for people."})


class PolicySchema(StrictSchema):
    """What new passwords must be, for a form."""

    mode = fields.String(required=True, metadata={"enum": ["balanced", "composition", "nist"]})
    least_characters = fields.Integer(required=True, metadata={"description": "Unicode code points."})
    most_characters = fields.Integer(required=True)
    character_classes = fields.List(
        fields.String(), required=True, metadata={"description": "Of which there must be one each: upper, lower, digit, special."}
    )
    classes_until = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The length from which the classes are not asked for; null: always asked."}
    )
    least_different_characters = fields.Integer(required=True, allow_none=True)
    remembered_passwords = fields.Integer(required=True, metadata={"description": "So many former passwords may not come back."})
    refuses = fields.List(
        fields.String(), required=True, metadata={"description": "Codes of the rules that only the server can check, as configured."}
    )


class PasswordCheckResponse(StrictSchema):
    """Whether a password would do, and if not, every reason."""

    is_acceptable = fields.Boolean(required=True)
    errors = fields.List(fields.Nested(FailedRuleSchema), required=True)
    policy = fields.Nested(PolicySchema, required=True)
