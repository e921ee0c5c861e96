"""The shape of what comes in and goes out."""

from marshmallow import fields, validate

from secureapi.extension import LINES, MomentField, PageQuery, StrictSchema, Text

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class NoteRequest(StrictSchema):
    """What somebody writes. Whose it is, nobody can say: it is the caller's."""

    text = Text(least=1, most=500, pattern=LINES, required=True)


class NotesToDelete(StrictSchema):
    """Several notes at once: all of them, or none."""

    ids = fields.List(Text(most=36, pattern=_ID, says="An id is expected."), required=True, validate=validate.Length(min=1, max=100))


class NoteListQuery(PageQuery):
    """`page` and `per_page`."""


class NoteResponse(StrictSchema):
    """A note."""

    id = Text(most=36)
    owner_id = Text(most=36)
    text = Text(most=500)
    created_at = MomentField()


class NoteListResponse(StrictSchema):
    """A page of those that the caller may see."""

    notes = fields.List(fields.Nested(NoteResponse), attribute="items")
    total = fields.Integer()
    page = fields.Integer()
    per_page = fields.Integer()
    pages = fields.Integer()


class DeletedResponse(StrictSchema):
    """How many are gone."""

    deleted = fields.Integer()
