"""Notes over HTTP: declarations over a few lines. `@requires` says who may enter, `service.py` which notes he finds."""

from http import HTTPStatus
from typing import Any

from notes.schemas import DeletedResponse, NoteListQuery, NoteListResponse, NoteRequest, NoteResponse, NotesToDelete
from notes.service import Notes
from secureapi.extension import (
    Blueprint,
    ObjectAccess,
    Permission,
    Trail,
    accepts,
    asks,
    current_client,
    current_identity,
    idempotent,
    link_header,
    requires,
    requires_any,
    returns,
    service,
)

blueprint = Blueprint("notes", __name__, url_prefix="/notes", description="Notes: everybody's own.")


def _notes() -> Notes:
    return Notes(access=service(ObjectAccess), trail=service(Trail))


def _who() -> dict[str, Any]:
    return {"caller": current_identity(), "client": current_client()}


@blueprint.post("")
@requires(Permission.CONTENT_WRITE)
@accepts(NoteRequest, example={"text": "Water the plants"})
@idempotent
@returns(NoteResponse, HTTPStatus.CREATED)
def write_note(wanted):
    """Write a note."""
    return _notes().write(**wanted, **_who())


@blueprint.get("")
@requires(Permission.CONTENT_READ)
@asks(NoteListQuery)
@returns(NoteListResponse)
def list_notes(wanted):
    """One's own notes, newest first; everybody's for callers with `content:delete`."""
    page = _notes().page(**wanted, **_who())
    return page, link_header(page)


@blueprint.get("/<id:note_id>")
@requires(Permission.CONTENT_READ)
@returns(NoteResponse)
def read_note(note_id):
    """A note; 404 for one that is not there, and for one that this caller may not see."""
    return _notes().read(note_id=note_id, **_who())


@blueprint.patch("/<id:note_id>")
@requires(Permission.CONTENT_WRITE)
@accepts(NoteRequest)
@returns(NoteResponse)
def change_note(wanted, note_id):
    """Change one of one's own notes."""
    return _notes().change(note_id=note_id, **wanted, **_who())


@blueprint.delete("/<id:note_id>")
@requires_any(Permission.CONTENT_WRITE, Permission.CONTENT_DELETE)
@returns(None, HTTPStatus.NO_CONTENT)
def delete_note(note_id):
    """Delete one of one's own notes, or with `content:delete` anybody's."""
    _notes().delete(note_ids=[note_id], **_who())


@blueprint.post("/delete")
@requires_any(Permission.CONTENT_WRITE, Permission.CONTENT_DELETE)
@accepts(NotesToDelete)
@returns(DeletedResponse)
def delete_notes(wanted):
    """Delete several notes: all of them, or none when one of them is not for this caller."""
    return {"deleted": _notes().delete(note_ids=wanted["ids"], **_who())}
